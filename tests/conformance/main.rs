//! The conformance scenarios of the field's most trusted systems, one test each. `README.md` beside this file says
//! which are covered and which do not apply.

mod cb;
mod ho;
mod support;
mod wn;
