//! The policy an operation follows, kept until what it was made from changes.

use std::sync::Arc;

use crate::policy::Policy;
use crate::policy_ref::PolicyRef;
use crate::runtime::{Report, Runtime};
use crate::sync::{RwLock, Whole};

/// One policy for the process and one for the scope that asked last.
///
/// Operations come and go, so their policies are counted and not kept for ever as those of annotated functions are.
#[derive(Debug, Default)]
pub(super) struct Kept {
    process: RwLock<Option<InForce>>,
    scoped: RwLock<Option<InForce>>,
}

#[derive(Debug)]
struct InForce {
    epoch: u64,
    policy: PolicyRef,
}

impl Kept {
    /// The policy in force, made by `make` where it is not the one that was kept.
    pub(super) fn get(&self, make: impl Fn(&Runtime) -> (Policy, Vec<Report>)) -> PolicyRef {
        Runtime::with_current(|runtime| {
            let slot = if runtime.is_process() { &self.process } else { &self.scoped };
            // As in `Runtime::policy_of`: one begun before a change is made again, even if another is kept by now.
            let mut is_stale = false;
            loop {
                let epoch = runtime.epoch();
                let kept = slot.read().whole();
                if let Some(kept) = kept.as_ref() {
                    let is_in_force =
                        kept.epoch == epoch && Arc::ptr_eq(&kept.policy.context, runtime.context());
                    if is_in_force && !is_stale {
                        return kept.policy.clone();
                    }
                }
                drop(kept);
                let (policy, reports) = make(runtime);
                let policy = PolicyRef::counted(policy);
                is_stale = runtime.epoch() != epoch;
                if is_stale {
                    continue;
                }
                let in_force = InForce { epoch, policy: policy.clone() };
                let before = slot.write().whole().replace(in_force);
                drop(before);
                // Only now: a listener may come back here.
                for (operation, message) in reports {
                    runtime.report(operation, message);
                }
                return policy;
            }
        })
    }
}
