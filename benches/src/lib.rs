//! What it takes to measure a guarded call: the harness, the counting allocator, and the library's own paths.

pub mod allocations;
pub mod harness;
pub mod instructions;
pub mod paths;
