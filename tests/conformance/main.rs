//! The conformance scenarios of the field's most trusted systems, one test each. `README.md` beside this file says
//! which are covered and which do not apply.

mod bg;
mod bh;
mod bo;
mod calls;
mod cb;
mod cf;
mod cn;
mod co;
mod ex;
mod fb;
mod hg;
mod ho;
mod mt;
mod rl;
mod rt;
mod support;
mod to;
mod va;
mod wn;
