use resilient::resilient;

#[resilient]
async fn serve() -> ! {
    loop {}
}

fn main() {
    drop(serve());
}
