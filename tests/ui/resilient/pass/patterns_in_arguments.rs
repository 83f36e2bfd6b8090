use resilient::resilient;

#[derive(Clone)]
struct Order {
    id: u32,
    tag: &'static str,
}

#[resilient]
async fn charge(Order { id, tag }: Order, (low, [high, ..]): (u32, [u32; 2])) -> std::io::Result<String> {
    Ok(format!("{tag}{}", id + low + high))
}

#[resilient(fallback = again)]
fn refund(Order { id, .. }: Order, _: u32, &tag: &u32, _unused: u32) -> Option<u32> {
    id.checked_sub(tag)
}

fn again(order: Order, left: u32, _tag: &u32, right: u32) -> Option<u32> {
    Some(order.id + left + right)
}

#[resilient]
async fn close(ref tag: String, ref mut count: usize, all @ [first, ..]: [u32; 2]) -> std::io::Result<usize> {
    *count += tag.len();
    Ok(*count + all.len() + first as usize)
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let order = || Order { id: 1, tag: "book" };
    assert_eq!(charge(order(), (1, [1, 1])).await.unwrap(), "book3");
    assert_eq!(close("book".to_owned(), 1, [1, 2]).await.unwrap(), 8);
    assert_eq!(refund(order(), 1, &1, 1), Some(0));
}
