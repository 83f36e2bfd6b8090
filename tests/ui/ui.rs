//! Every rule of the attributes: what compiles, and what the compiler says when it must not.

#[test]
fn every_rule_has_its_message_and_every_shape_compiles() {
    // Two runs: what must fail is checked in one go, what must pass is linked and run case by case.
    trybuild::TestCases::new().compile_fail("*/fail/*.rs");
    trybuild::TestCases::new().pass("*/pass/*.rs");
}
