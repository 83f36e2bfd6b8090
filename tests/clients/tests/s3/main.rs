//! The S3 client, async and blocking by one table: against moto, with a proxy that does harm in between, and against a
//! server that answers what it is told to.

mod contract;
mod outage;
mod script;
mod support;
