//! A breaker, a bulkhead and a rate limit for each tenant: one that is in trouble does not close the door to the others.
//!
//! `cargo run --example keyed` prints the calls of two tenants, of whom one has a broken database.

use resilient::{ResilienceConfig, ResilienceError, resilient};

#[derive(Debug, thiserror::Error)]
enum DbError {
    #[error("the database of {0} is down")]
    Down(String),
    #[error("{0}")]
    Refused(#[from] ResilienceError),
}

/// `key` is an expression over the arguments.
#[resilient(name = "tenant-db", failure_threshold = 2, max_attempts = 1, key = tenant)]
fn orders(tenant: &str) -> Result<u32, DbError> {
    if tenant == "acme" { Err(DbError::Down(tenant.to_owned())) } else { Ok(7) }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for tenant in ["acme", "acme", "acme", "globex"] {
        match orders(tenant) {
            Ok(orders) => println!("{tenant}: {orders} orders"),
            Err(error) => println!("{tenant}: {error}"),
        }
    }
    println!();
    for (tenant, breaker) in resilient::keyed_breakers("tenant-db")? {
        println!("breaker of {tenant}: {}", breaker.state());
    }
    println!("overall: {}", resilient::resilience_health().overall_health);

    println!("\nThe same, made in code:");
    let charge = ResilienceConfig::new("charge").failure_threshold(1).max_attempts(1).keyed().build()?;
    for tenant in ["acme", "acme", "globex"] {
        let answer = charge.for_key(tenant).call(|| match tenant {
            "acme" => Err(DbError::Down(tenant.to_owned())),
            _ => Ok("charged"),
        });
        println!("{tenant}: {}", answer.map_or_else(|error| error.to_string(), str::to_owned));
    }
    Ok(())
}
