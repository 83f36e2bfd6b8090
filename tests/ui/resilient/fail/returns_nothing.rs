use resilient::resilient;

#[resilient]
async fn charge() {
    println!("charged");
}

fn main() {
    drop(charge());
}
