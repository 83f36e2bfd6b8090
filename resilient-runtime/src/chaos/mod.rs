//! Faults on purpose: errors, latency and panics in a share of the attempts, to see that what guards against them does.
//!
//! Only with the feature `chaos`; without it none of this is compiled. Begin it in code with [`inject`], or with
//! variables (`PREFIX` is `PYNOMALY` unless you said otherwise):
//!
//! | variable | |
//! |---|---|
//! | `PREFIX_CHAOS_ENABLED` | `true`: what the others say is injected; `false`: nothing is, whatever the code says |
//! | `PREFIX_CHAOS_ERROR_RATE` | share of attempts that fail in place of running the function, 0 to 1 |
//! | `PREFIX_CHAOS_LATENCY`, `PREFIX_CHAOS_LATENCY_RATE` | a wait before the function, and its share of attempts (1) |
//! | `PREFIX_CHAOS_PANIC_RATE` | share of attempts that panic in place of running the function |
//! | `PREFIX_OP_<NAME>_CHAOS_ERROR_RATE`, .. | the same for one operation, over what is said for all |
//! | `PREFIX_CHAOS_ALLOW_RELEASE` | `true`: also in a release build, where chaos refuses to begin otherwise |
//!
//! Each beginning is one warning in the log ([`EventKind::ChaosStarted`]). Faults are
//! drawn for each attempt, in a [`Scope`](crate::testing::Scope) from its seed. They count as what they look like: an
//! injected error is retried and opens breakers, latency is inside the attempt's time limit, a panic unwinds.
//!
//! ```
//! # use resilient_runtime as resilient;
//! use resilient::chaos::{self, Chaos};
//!
//! # let scope = resilient::testing::Scope::builder().env("PYNOMALY_CHAOS_ALLOW_RELEASE", "1").build();
//! # let _inside = scope.enter();
//! let half = chaos::inject("get_user", Chaos::new().error_rate(0.5))?;
//! // .. every other attempt of `get_user` fails ..
//! println!("{} attempts suffered", half.hits());
//! drop(half); // and none does from here on
//! # Ok::<(), resilient::ConfigErrors>(())
//! ```

mod active;
mod settings;
mod underway;
mod variables;

use std::sync::{Arc, Weak};

use crate::context::Context;
use crate::event::EventKind;
use crate::name;
use crate::profile::{ConfigErrors, Problem};
use crate::runtime::Runtime;
use crate::sync::atomic::{AtomicU64, Ordering};
use active::ALL;

pub(crate) use active::Active;
pub(crate) use settings::Hit;
pub use settings::{Chaos, Fault};
pub(crate) use underway::{Suffered, Underway};
pub(crate) use variables::Variables;

/// Whether this is a build that chaos refuses to begin in unless it is allowed to.
pub(crate) const RELEASE: bool = !cfg!(debug_assertions);

/// Injects faults into the attempts of `operation`, `"*"` being every operation, until the guard is dropped.
///
/// It comes before what an earlier call and the environment say about the same operation. What is said about one
/// operation comes before what is said about all, so `Chaos::new()` exempts one.
///
/// The trap: any name is taken, since operations may be made at any time. [`Injection::hits`] says whether it met one.
///
/// ```
/// # use resilient_runtime as resilient;
/// use resilient::chaos::{self, Chaos};
///
/// # let scope = resilient::testing::Scope::builder().env("PYNOMALY_CHAOS_ALLOW_RELEASE", "1").build();
/// # let _inside = scope.enter();
/// let all = chaos::inject("*", Chaos::new().latency("200ms").latency_rate(0.1))?;
/// let none = chaos::inject("charge_card", Chaos::new())?;
/// # Ok::<(), resilient::ConfigErrors>(())
/// ```
///
/// # Errors
///
/// Everything that is wrong, at once; then nothing is injected. A rate that is `NaN`, a latency that is none, a name no
/// operation can have; a release build, unless `PREFIX_CHAOS_ALLOW_RELEASE=true` or
/// [`allow_chaos_in_release`](crate::Builder::allow_chaos_in_release) says that it is meant; and
/// `PREFIX_CHAOS_ENABLED=false`.
pub fn inject(operation: &str, chaos: Chaos) -> Result<Injection, ConfigErrors> {
    let runtime = Runtime::current();
    let (variables, prefix) = runtime.chaos_variables();
    let mut problems = chaos.problems(operation);
    problems.extend(refusal(operation, RELEASE, &variables, &prefix));
    let named = if operation == ALL { Ok(ALL) } else { name::intern(operation) };
    if let Err(invalid) = &named {
        let source = format!("chaos for '{operation}'");
        problems.push(Problem::new(source, invalid.to_string()).used("nothing is injected"));
    }
    let operation = match (ConfigErrors::check(problems, Vec::new()), named) {
        (Ok(()), Ok(operation)) => operation,
        (Err(errors), _) => return Err(errors),
        (Ok(()), Err(invalid)) => return Err(ConfigErrors::from_messages("chaos", [invalid.to_string()])),
    };
    let context = runtime.context();
    let rates = chaos.said.rates();
    let (id, hits) = context.chaos.start(operation, rates);
    context.events.tell(operation, EventKind::ChaosStarted { chaos });
    Ok(Injection { context: Arc::downgrade(context), id, hits })
}

/// Ends every injection, those of the environment too.
///
/// What the environment says begins again when it is read anew and says something else, and with the next start of the
/// program.
pub fn stop() {
    Runtime::current().context().chaos.stop();
}

/// Faults under way; dropping it ends them.
#[must_use = "dropping the injection ends it; keep it as long as faults are wanted"]
#[derive(Debug)]
pub struct Injection {
    context: Weak<Context>,
    id: u64,
    hits: Arc<AtomicU64>,
}

impl Injection {
    /// How many attempts suffered a fault by it so far.
    pub fn hits(&self) -> u64 {
        self.hits.load(Ordering::Relaxed)
    }
}

impl Drop for Injection {
    fn drop(&mut self) {
        if let Some(context) = self.context.upgrade() {
            context.chaos.end(self.id);
        }
    }
}

/// Why chaos that the code asks for may not begin.
fn refusal(operation: &str, release: bool, variables: &Variables, prefix: &str) -> Option<Problem> {
    let source = format!("chaos for '{operation}'");
    if release && !variables.allows_release() {
        return Some(variables::not_in_release(&source, prefix));
    }
    let variable = variables.forbidden_by()?;
    Some(Problem::new(source, format!("{variable} forbids it")).used("nothing is injected"))
}

/// The variables were read: what they say begins, and is told.
pub(crate) fn adopt(
    context: &Context,
    variables: &Variables,
    operations: impl Iterator<Item = &'static str>,
) {
    if !context.chaos.adopt(variables) {
        return;
    }
    let own = operations.filter(|operation| variables.is_about(operation));
    let own = own.map(|operation| (operation, variables.of(operation)));
    for (operation, said) in own.chain([(ALL, variables.everywhere())]) {
        if !said.rates().are_zero() {
            context.events.tell(operation, EventKind::ChaosStarted { chaos: Chaos::of(said) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_build_has_no_chaos_unless_it_is_allowed_to() {
        let mut variables = Variables::default();
        let text =
            |variables: &Variables| refusal("get_user", true, variables, "SHOP").map(|it| it.to_string());
        assert_eq!(
            text(&variables).as_deref(),
            Some(
                "chaos for 'get_user': this is a release build; write SHOP_CHAOS_ALLOW_RELEASE=true, or call \
                 `allow_chaos_in_release`, if it is meant; nothing is injected"
            )
        );
        assert_eq!(refusal("get_user", false, &variables, "SHOP"), None);
        variables
            .read("CHAOS_ALLOW_RELEASE", "SHOP_CHAOS_ALLOW_RELEASE", Some("true"), &[])
            .unwrap()
            .unwrap();
        assert_eq!(text(&variables), None);
    }

    #[test]
    fn in_a_release_build_the_environment_needs_leave_too() {
        let read = |pairs: &[(&str, &str)], in_code| {
            let mut variables = Variables::default();
            for (rest, value) in pairs {
                variables.read(rest, &format!("SHOP_{rest}"), Some(value), &[]).unwrap().unwrap();
            }
            let mut problems = Vec::new();
            variables.conclude("SHOP", true, in_code, &mut problems);
            (variables.is_on(), problems.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        let wanted = [("CHAOS_ENABLED", "true"), ("CHAOS_ERROR_RATE", "0.1")];
        let (on, problems) = read(&wanted, false);
        assert!(!on);
        assert_eq!(
            problems,
            ["SHOP_CHAOS_ENABLED: this is a release build; write SHOP_CHAOS_ALLOW_RELEASE=true, or call \
                 `allow_chaos_in_release`, if it is meant; nothing is injected"]
        );
        assert_eq!(read(&wanted, true), (true, vec![]));
        assert_eq!(read(&[&wanted[..], &[("CHAOS_ALLOW_RELEASE", "1")]].concat(), false), (true, vec![]));
    }
}
