use resilient::database_resilient;

struct Channel(u32);

#[database_resilient]
fn get_user(channel: Channel) -> std::io::Result<u32> {
    Ok(channel.0)
}

fn main() {
    drop(get_user(Channel(1)));
}
