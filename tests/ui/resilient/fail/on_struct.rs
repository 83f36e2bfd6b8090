use resilient::resilient;

#[resilient]
struct Order {
    id: u32,
}

fn main() {
    drop(Order { id: 1 });
}
