//! A setting that names the impl's type as `Self`.

use resilient::resilient;

struct Repo;

impl Repo {
    const ATTEMPTS: u32 = 3;

    #[resilient(max_attempts = Self::ATTEMPTS)]
    async fn load(&self) -> std::io::Result<u32> {
        Ok(1)
    }
}

fn main() {
    let _ = (Repo.load(), Repo::ATTEMPTS);
}
