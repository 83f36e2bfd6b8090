//! An attribute on an `impl` block: every method that returns a `Result` is guarded, and a method's own words win.
//!
//! `cargo run --example impl_block` prints what the library knows of each method, and which it left alone and why.

use std::io;

use resilient::{api_resilient, database_resilient, resilient};

struct Users(Vec<&'static str>);

#[database_resilient(name = "users-db", max_attempts = 4)]
impl Users {
    fn new() -> Self {
        Self(vec!["Ada", "Bob"])
    }

    fn load(&self, id: usize) -> io::Result<&'static str> {
        self.cached(id)
    }

    /// Not safe to repeat.
    #[resilient(max_attempts = 1)]
    fn rename(&mut self, id: usize, name: &'static str) -> io::Result<()> {
        self.0[id] = name;
        Ok(())
    }

    #[api_resilient(name = "pictures", operation_name = "picture")]
    fn picture(&self, id: usize) -> io::Result<String> {
        Ok(format!("{}.png", self.0[id]))
    }

    #[resilient(skip)]
    fn cached(&self, id: usize) -> io::Result<&'static str> {
        self.0.get(id).copied().ok_or(io::ErrorKind::NotFound.into())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut users = Users::new();
    users.rename(1, "Cyd")?;
    println!("{}, {}\n", users.load(1)?, users.picture(1)?);

    for operation in resilient::operations() {
        let explanation = resilient::explain(operation.name)?;
        let attempts = explanation.parameters().iter().find(|row| row.parameter() == "max_attempts");
        let attempts = attempts
            .map_or_else(String::new, |row| format!("max_attempts {} by {}", row.value(), row.source()));
        println!("{:<26} {:<9} {attempts}", operation.name, operation.operation_type);
    }

    println!("\nNot guarded:");
    for method in resilient::skipped() {
        println!("{method}");
    }
    Ok(())
}
