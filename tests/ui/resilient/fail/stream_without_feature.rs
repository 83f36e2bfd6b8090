use std::pin::Pin;
use std::task::{Context, Poll};

use resilient::resilient;

trait Stream {
    type Item;
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>>;
}

struct Once(Option<u32>);

impl Stream for Once {
    type Item = std::io::Result<u32>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<std::io::Result<u32>>> {
        Poll::Ready(self.0.take().map(Ok))
    }
}

#[resilient]
fn numbers(only: u32) -> impl Stream<Item = std::io::Result<u32>> {
    Once(Some(only))
}

fn main() {
    drop(numbers(1));
}
