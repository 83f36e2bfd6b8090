//! The security list: a test for each risk, named by its number, or a line in `README.md` beside this file.

mod limits;
#[path = "../faults/list.rs"]
mod list;
mod names;
mod secrets;
mod source;

#[test]
fn every_risk_has_a_line() {
    list::check("tests/security", 'S', 27);
}
