use resilient::with_timeout;

struct Page;

impl Page {
    #[with_timeout]
    fn render(&self) -> std::io::Result<()> {
        Ok(())
    }
}

fn main() {
    drop(Page.render());
}
