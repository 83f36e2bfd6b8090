use resilient::database_resilient;
use std::rc::Rc;

#[derive(Clone)]
struct Channel(Rc<u32>);

#[database_resilient]
fn get_user(channel: Channel) -> std::io::Result<u32> {
    Ok(*channel.0)
}

fn main() {
    drop(get_user(Channel(Rc::new(1))));
}
