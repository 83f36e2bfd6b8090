use resilient::resilient;

#[resilient]
async fn orders(first: u32) -> std::io::Result<impl Iterator<Item = u32> + Clone> {
    if first == 0 {
        return Err(std::io::Error::other("none"));
    }
    Ok((first..).take(2))
}

#[resilient]
fn names<'a>(words: &'a [String]) -> Result<impl Iterator<Item = &'a str> + use<'a>, std::io::Error> {
    Ok(words.iter().map(String::as_str))
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    assert_eq!(orders(1).await.unwrap().sum::<u32>(), 3);
    assert_eq!(names(&["a".to_owned()]).unwrap().next(), Some("a"));
}
