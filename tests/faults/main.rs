//! Faults that were found in systems like this one, by others: a test each, named by the fault's number.
//!
//! `README.md` beside this file says for each of them what holds it off, or why it cannot happen here.

mod half_open;
mod list;
mod permits;
mod registry;
mod retry;
mod support;
mod time;

#[test]
fn every_fault_has_a_line() {
    list::check("tests/faults", 'F', 54);
}
