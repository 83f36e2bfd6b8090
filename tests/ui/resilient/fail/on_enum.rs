use resilient::resilient;

#[resilient]
enum Payment {
    Card,
}

fn main() {
    drop(Payment::Card);
}
