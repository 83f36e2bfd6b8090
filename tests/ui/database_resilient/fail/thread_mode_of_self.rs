use resilient::database_resilient;

struct Users;

impl Users {
    #[database_resilient(timeout_mode = "thread")]
    fn get(&self, id: u32) -> std::io::Result<u32> {
        Ok(id)
    }
}

fn main() {
    drop(Users.get(1));
}
