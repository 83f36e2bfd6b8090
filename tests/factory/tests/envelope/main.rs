//! An envelope is opened whole, or not at all: what changes on its way, and what somebody claims, is an error in bounded memory.
#![allow(unsafe_code, reason = "an allocator that counts")]

mod counting;
mod damaged;
mod hostile;
#[path = "../serializers/values.rs"]
mod values;
mod whole;

/// What a damaged or hostile envelope may cost.
const MOST_MEMORY: usize = 16 << 20;
