//! A cache that hangs. A cache is worth little time: `#[cache_resilient]` gives up early, `fallback` has an answer.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};

use resilient::cache_resilient;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt};

use crate::tour::Tour;
use crate::world::World;

/// Async, with a fallback of the same arguments.
#[cache_resilient(operation_name = "cached_profile", timeout = "400ms", fallback = profile_of_database)]
async fn cached_profile(cache: SocketAddr, user: u32) -> io::Result<String> {
    let mut stream = tokio::io::BufReader::new(tokio::net::TcpStream::connect(cache).await?);
    stream.write_all(format!("profile:{user}\n").as_bytes()).await?;
    let mut answer = String::new();
    stream.read_line(&mut answer).await?;
    Ok(answer.trim().to_owned())
}

async fn profile_of_database(_cache: SocketAddr, user: u32) -> io::Result<String> {
    Ok(format!("profile:{user} from the database"))
}

/// Sync: the same on a worker thread.
#[cache_resilient(operation_name = "cached_price", timeout = "400ms")]
fn cached_price(cache: SocketAddr, item: u32) -> io::Result<String> {
    let mut stream = TcpStream::connect(cache)?;
    stream.write_all(format!("price:{item}\n").as_bytes())?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    Ok(answer.trim().to_owned())
}

pub(crate) async fn play(tour: &Tour, world: &World) -> anyhow::Result<()> {
    tour.scene(
        "A cache that hangs",
        "the cache takes the key and stays silent",
        "two attempts of 0.4 s, then the fallback answers in the cache's place",
    );
    world.cache.will_hang(2);
    let profile = cached_profile(world.cache.address(), 7).await?;
    tour.say(format!("the caller gets: {profile}"));
    tour.expect("the fallback answers after two attempts", profile == "profile:7 from the database");
    tour.expect("both attempts were cut off", tour.cut_off("cached_profile") == 2);
    let profile = cached_profile(world.cache.address(), 7).await?;
    tour.expect("the next call finds the cache well again", profile == "profile:7 from the cache");
    Ok(())
}

pub(crate) fn play_sync(tour: &Tour, world: &World) -> anyhow::Result<()> {
    world.cache.will_hang(1);
    let price = cached_price(world.cache.address(), 3)?;
    tour.expect("the sync twin is cut off once, then answered", price == "price:3 from the cache");
    tour.expect("at its second attempt", tour.succeeded_at("cached_price", 2));
    Ok(())
}
