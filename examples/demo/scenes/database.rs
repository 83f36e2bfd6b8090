//! A locked SQLite file. `#[database_resilient]` as it is: 3 attempts, waits of 0.5 s and 1 s, spread.

use std::path::PathBuf;

use resilient::database_resilient;
use rusqlite::Connection;

use crate::tour::Tour;
use crate::world::{DbError, World, open};

const UNLOCKED: (&str, &str) = ("database", "the other connection lets go");

/// Sync. It borrows its connection, so it runs in place, with the profile's 30 s as its deadline.
#[database_resilient(operation_name = "add_order")]
fn add_order(shop: &Connection, item: &str) -> Result<usize, DbError> {
    Ok(shop.execute("INSERT INTO orders (item) VALUES (?1)", [item])?)
}

/// Async. The same profile; the waits are awaited. The body gives `file` away, so each attempt gets a copy.
#[database_resilient(operation_name = "count_orders", clone(file))]
async fn count_orders(file: PathBuf) -> Result<u32, DbError> {
    tokio::task::spawn_blocking(move || {
        Ok(open(&file)?.query_row("SELECT count(*) FROM orders", [], |row| row.get(0))?)
    })
    .await?
}

pub(crate) fn play_sync(tour: &Tour, world: &World) -> anyhow::Result<()> {
    tour.scene(
        "A locked database",
        "another connection holds the SQLite file locked",
        "attempts meet the lock until it is gone, sync and async alike",
    );
    let shop = open(world.database.file())?;
    let lock = world.database.lock()?;
    let _mending = tour.mend_after("add_order", 2, UNLOCKED, || drop(lock));
    let rows = add_order(&shop, "a lamp")?;
    tour.expect("the third attempt writes the order", rows == 1 && tour.succeeded_at("add_order", 3));

    let again = add_order(&shop, "a lamp");
    tour.expect(
        "a second lamp breaks a UNIQUE constraint: that is not retried",
        again.is_err() && tour.ended("add_order").is_some_and(|(attempts, _)| attempts == 1),
    );
    Ok(())
}

pub(crate) async fn play(tour: &Tour, world: &World) -> anyhow::Result<()> {
    let lock = world.database.lock()?;
    let _mending = tour.mend_after("count_orders", 1, UNLOCKED, || drop(lock));
    let orders = count_orders(world.database.file().to_owned()).await?;
    tour.expect("the async reader counts one order", orders == 1 && tour.succeeded_at("count_orders", 2));
    Ok(())
}
