//! The acceptance scenarios of the Python systems whose users this crate is for, by their numbers: `a` to `f`
//! are Pynomaly's resilience layer (seed 003), `s001` is CryoProtect's `api/resiliency` (seed 001), `p` the policy
//! objects of seed 004.
//!
//! `README.md` beside this file lists the scenarios that are no test here, each with its reason.

#[macro_use]
mod support;

mod a;
mod b;
mod c;
mod d;
mod e;
mod f;
mod p;
mod p16;
mod s001;
