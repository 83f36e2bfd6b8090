use resilient::database_resilient;

#[database_resilient(fallback = cached)]
async fn add_user(name: String) -> Option<String> {
    Some(name)
}

async fn cached(name: String) -> Option<String> {
    Some(name)
}

fn main() {
    drop(add_user(String::new()));
    drop(cached(String::new()));
}
