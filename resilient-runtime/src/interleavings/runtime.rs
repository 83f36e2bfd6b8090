use std::ptr;

use super::*;
use crate::policy_ref::PolicyRef;
use crate::profile::Settings;
use crate::runtime::{Origins, Runtime};
use crate::site::{Site, Spec};

static SITE: Site =
    Site::new(Spec::new("function", "interleavings", file!(), line!()).operation_name("modelled").breaker());

fn made() -> Arc<Runtime> {
    let (_, clock) = context();
    let origins = Origins { variables: Some(Vec::new()), ..Origins::default() };
    Arc::new(Runtime::new(Context::seeded(Clock::Test(clock), 0), origins, false))
}

fn policy(runtime: &Runtime) -> PolicyRef {
    runtime.policy_of(&SITE)
}

fn threshold(runtime: &Runtime) -> u32 {
    policy(runtime).breaker.as_ref().unwrap().snapshot().failure_threshold
}

#[test]
fn two_first_calls_follow_one_policy() {
    explore(|| {
        let runtime = made();
        let other = beside(&runtime, policy);
        let mine = policy(&runtime);
        assert!(ptr::eq(&*mine, &*answer(other)) && ptr::eq(&*mine, &*policy(&runtime)));
    });
}

#[test]
fn a_policy_begun_before_the_configuration_changed_is_not_kept_nor_are_its_numbers() {
    explore_within_bound(|| {
        let runtime = made();
        let other = beside(&runtime, threshold);
        runtime.configure(|origins| {
            origins.overrides.insert("*".to_owned(), Settings::new().failure_threshold(7));
        });
        threshold(&runtime);
        answer(other);
        assert_eq!(threshold(&runtime), 7);
    });
}

#[test]
fn a_call_beside_a_reset_follows_the_breaker_that_is_known_by_its_name_from_then_on() {
    explore_within_bound(|| {
        let runtime = made();
        let before = policy(&runtime).breaker.clone().unwrap();
        let other = beside(&runtime, threshold);
        runtime.reset();
        answer(other);
        let after = policy(&runtime).breaker.clone().unwrap();
        assert!(Arc::ptr_eq(&after, &before) && Arc::ptr_eq(&after, &runtime.breaker("modelled").unwrap()));
    });
}
