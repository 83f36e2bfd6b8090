use resilient::resilient;

struct Client<'c>(&'c str);

impl<'c> Client<'c> {
    #[resilient]
    async fn longest<'a, 'b: 'a>(&self, left: &'a str, right: &'b str) -> std::io::Result<&'a str>
    where
        'c: 'a,
    {
        Ok([left, right, self.0].into_iter().max_by_key(|text| text.len()).unwrap_or(left))
    }

    #[resilient]
    fn name(self) -> std::io::Result<&'c str> {
        Ok(self.0)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let name = String::from("ann");
    assert_eq!(Client(&name).longest("a", "book").await.unwrap(), "book");
    assert_eq!(Client(&name).name().unwrap(), "ann");
}
