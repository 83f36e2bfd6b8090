use resilient::retry_with_backoff;

struct Buffer(Vec<u8>);

impl Buffer {
    #[retry_with_backoff]
    fn first(&mut self) -> Option<&mut u8> {
        self.0.first_mut()
    }
}

fn main() {
    assert_eq!(Buffer(vec![1]).first(), Some(&mut 1));
}
