use resilient::resilient;
use std::borrow::Cow;

struct Client {
    name: String,
}

impl Client {
    #[resilient]
    async fn name(&self) -> std::io::Result<&str> {
        Ok(&self.name)
    }

    #[resilient]
    fn shout(&self, loud: bool) -> std::io::Result<Cow<'_, str>> {
        Ok(if loud { self.name.to_uppercase().into() } else { self.name.as_str().into() })
    }

    #[resilient(enable_retry = false)]
    async fn name_mut(&mut self) -> std::io::Result<&mut String> {
        Ok(&mut self.name)
    }
}

#[resilient]
async fn first(words: &[String]) -> std::io::Result<&String> {
    words.first().ok_or_else(|| std::io::Error::other("empty"))
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut client = Client { name: "ann".to_owned() };
    client.name_mut().await.unwrap().push('e');
    assert_eq!(client.name().await.unwrap(), "anne");
    assert_eq!(client.shout(true).unwrap(), "ANNE");
    assert_eq!(first(&["a".to_owned()]).await.unwrap(), "a");
}
