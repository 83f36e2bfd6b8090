use resilient::with_timeout;

#[with_timeout(5)]
fn render<T: ToString>(page: T) -> std::io::Result<String> {
    Ok(page.to_string())
}

fn main() {
    drop(render(1));
}
