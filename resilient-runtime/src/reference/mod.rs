//! What the state machines are compared with, operation by operation: the rules written down a second time, in the
//! plainest way there is. Compiled for tests and for the fuzzer only.
//!
//! A reference keeps a list of everything that happened and counts in it whenever it is asked. It shares the words and
//! the configurations with what it judges, and nothing else.

pub(crate) mod breaker;
mod script;

#[cfg(fuzzing)]
pub(crate) use script::Script;
#[cfg(test)]
pub(crate) use script::hold;
pub(crate) use script::{Draw, Operations, Passing};
