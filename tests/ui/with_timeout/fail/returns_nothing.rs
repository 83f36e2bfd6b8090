use resilient::with_timeout;

#[with_timeout(seconds = 5)]
async fn render() {
    println!("page");
}

fn main() {
    drop(render());
}
