use resilient::database_resilient;
use std::rc::Rc;

struct Row(Rc<u32>);

#[database_resilient]
fn get_user(id: u32) -> std::io::Result<Row> {
    Ok(Row(Rc::new(id)))
}

fn main() {
    drop(get_user(1));
}
