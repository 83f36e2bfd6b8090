//! The Redis client, against servers of its own: one, sentinels, a cluster, none, and a proxy that does harm.

mod contract;
mod encrypted;
mod outage;
mod support;
mod topologies;
mod write_through;
