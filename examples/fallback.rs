//! Fallbacks: a function that gets the error too, a value, and a chain of functions.
//!
//! `cargo run --example fallback` prints one answer of each, and an error that a fallback does not take.

use std::io;

use resilient::{FallbackChain, fallback};

#[derive(Debug, thiserror::Error)]
enum PriceError {
    #[error("the shop is down")]
    Down,
    #[error("no such item")]
    NoSuchItem,
    #[error("{0}")]
    Refused(#[from] resilient::ResilienceError),
}

/// `on`: an item that does not exist is no reason to invent a price.
#[fallback(last_known, on = PriceError::Down | PriceError::Refused(_))]
fn price(item: &str) -> Result<String, PriceError> {
    if item == "book" { Err(PriceError::Down) } else { Err(PriceError::NoSuchItem) }
}

/// The same arguments, and the error if it wants it.
fn last_known(item: &str, error: PriceError) -> Result<String, PriceError> {
    match item {
        "book" => Ok(format!("12.50 as of yesterday, since {error}")),
        _ => Err(error),
    }
}

#[fallback(value = 0)]
fn in_stock(item: &str) -> io::Result<u32> {
    Err(io::Error::other(format!("nobody counted {item}")))
}

#[fallback(chain = [from_cache, from_disk])]
fn picture(item: &str) -> io::Result<String> {
    Err(io::Error::other(format!("no server for {item}")))
}

fn from_cache(item: &str) -> io::Result<String> {
    Err(io::Error::other(format!("{item} is not cached")))
}

fn from_disk(item: &str) -> io::Result<String> {
    if item == "book" { Ok(format!("{item}.png from disk")) } else { Err(io::ErrorKind::NotFound.into()) }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("with the error:  {}", price("book")?);
    println!("not taken:       {}", price("unicorn").unwrap_err());
    println!("a value:         {}", in_stock("book")?);
    println!("a chain:         {}", picture("book")?);
    let chain = FallbackChain::new().then(|| from_cache("book")).then(|| from_disk("book"));
    println!("as an object:    {}", chain.call()?);
    Ok(())
}
