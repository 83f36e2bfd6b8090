use resilient::with_timeout;

#[with_timeout(seconds = 5)]
fn render(page: &str) -> std::io::Result<usize> {
    Ok(page.len())
}

fn main() {
    drop(render("page"));
}
