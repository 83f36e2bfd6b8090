//! EX: what counts as a failure, a success, or neither.

use resilient::testing::Flaky;
use resilient::{Class, Classify, ResilienceError, State, circuit_breaker, retry_with_backoff};

use crate::calls::{Fault, SPARE, World, both, spare, spare_later};

/// How many calls were recorded as ignored and as failed.
fn recorded<T, E>(world: &World<T, E>) -> (u64, u64) {
    let snapshot = world.breaker().snapshot();
    (snapshot.ignored_calls, snapshot.failed_calls)
}

both! {
    #[circuit_breaker(failure_rate = 1.0, window = 5, min_calls = 5, ignore = Fault::NotFound)]
    fn ignores_not_found
}

#[test]
fn ex_001_an_ignored_error_is_neither_failure_nor_success() {
    let script = || Flaky::new().then_err(|| Fault::Down).then_err(|| Fault::NotFound);
    ignores_not_found().each(script, |world| {
        assert!(matches!(world.call(), Err(Fault::Down)));
        assert!(matches!(world.call(), Err(Fault::NotFound)));
        let window = world.breaker().snapshot().window.unwrap();
        assert_eq!((window.failures, window.successes, window.calls), (1, 0, 1));
    });
}

#[test]
fn ex_015_an_ignored_error_is_told_as_ignored_and_not_as_failed() {
    ignores_not_found().each(
        || Flaky::new().then_err(|| Fault::NotFound),
        |world| {
            assert!(matches!(world.call(), Err(Fault::NotFound)));
            assert_eq!((world.count("ignored"), world.count("failed")), (1, 0));
        },
    );
}

both! {
    #[circuit_breaker(failure_rate = 1.0, window = 5, min_calls = 5, failure_if = |value| *value == "failure")]
    fn judges_values -> Result<&'static str, Fault>
}

#[test]
fn ex_004_a_value_may_be_recorded_as_a_failure() {
    judges_values().each(
        || Flaky::new().then("success").then("failure"),
        |world| {
            assert_eq!(world.call().unwrap(), "success");
            assert_eq!(world.call().unwrap(), "failure");
            let window = world.breaker().snapshot().window.unwrap();
            assert_eq!((window.failures, window.successes, window.calls), (1, 1, 2));
        },
    );
}

/// The errors of EX-006 to EX-008: `SubSub` is a `Sub`, and `Runtime` has subtypes as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Exception,
    Error,
    Business,
    Runtime(Subtype),
    Sub(Subtype),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subtype {
    Itself,
    Subtype,
}
use Subtype::{Itself, Subtype as SubtypeOf};

const SUB_SUB: Kind = Kind::Sub(SubtypeOf);

/// Here the error type says itself what is recorded: `record = {Runtime, SubSub}`.
#[derive(Debug, thiserror::Error)]
enum Listed {
    #[error("{0:?}")]
    Thrown(Kind),
    #[error(transparent)]
    Resilience(#[from] ResilienceError),
}

impl Classify for Listed {
    fn class(&self) -> Class {
        match self {
            Self::Thrown(Kind::Runtime(_) | SUB_SUB) => Class::Transient,
            _ => Class::Caller,
        }
    }
}

both! {
    #[circuit_breaker(failure_threshold = 5)]
    fn listed -> Result<u32, Listed>
}

#[test]
fn ex_006_a_listed_error_is_recorded_with_all_that_belongs_to_it() {
    for (kind, is_recorded) in [
        (Kind::Exception, false),
        (Kind::Error, false),
        (Kind::Sub(Itself), false),
        (Kind::Business, false),
        (Kind::Runtime(Itself), true),
        (Kind::Runtime(SubtypeOf), true),
        (SUB_SUB, true),
    ] {
        listed().each(
            || Flaky::new().then_err(move || Listed::Thrown(kind)),
            |world| {
                assert!(world.call().is_err());
                assert_eq!(recorded(world), (u64::from(!is_recorded), u64::from(is_recorded)), "{kind:?}");
            },
        );
    }
}

/// `record = {Runtime, SubSub}`, or a message that says "test".
#[derive(Debug, thiserror::Error)]
enum ListedOrSaid {
    #[error("{1}")]
    Thrown(Kind, &'static str),
    #[error(transparent)]
    Resilience(#[from] ResilienceError),
}

impl Classify for ListedOrSaid {
    fn class(&self) -> Class {
        match self {
            Self::Thrown(Kind::Runtime(_) | SUB_SUB, _) | Self::Thrown(_, "test") => Class::Transient,
            _ => Class::Caller,
        }
    }
}

both! {
    #[circuit_breaker(failure_threshold = 5)]
    fn listed_or_said -> Result<u32, ListedOrSaid>
}

#[test]
fn ex_007_an_error_is_recorded_when_the_list_or_the_predicate_says_so() {
    for (kind, message, is_recorded) in [
        (Kind::Exception, "", false),
        (Kind::Exception, "test", true),
        (Kind::Sub(Itself), "", false),
        (Kind::Sub(Itself), "test", true),
        (Kind::Runtime(Itself), "", true),
    ] {
        listed_or_said().each(
            || Flaky::new().then_err(move || ListedOrSaid::Thrown(kind, message)),
            |world| {
                assert!(world.call().is_err());
                let expected = (u64::from(!is_recorded), u64::from(is_recorded));
                assert_eq!(recorded(world), expected, "{kind:?} {message:?}");
            },
        );
    }
}

/// Has no `Classify`: every error is a failure unless the attribute says otherwise.
#[derive(Debug, thiserror::Error)]
enum Unlisted {
    #[error("{0:?}")]
    Thrown(Kind),
    #[error(transparent)]
    Resilience(#[from] ResilienceError),
}

both! {
    #[circuit_breaker(failure_threshold = 5, ignore = Unlisted::Thrown(Kind::Runtime(_) | Kind::Sub(_)))]
    fn ignores_runtime_and_sub -> Result<u32, Unlisted>
}

#[test]
fn ex_008_ignoring_wins_over_recording_and_covers_subtypes() {
    for (kind, is_ignored) in [
        (Kind::Business, false),
        (Kind::Runtime(Itself), true),
        (Kind::Runtime(SubtypeOf), true),
        (Kind::Sub(Itself), true),
        (SUB_SUB, true),
    ] {
        ignores_runtime_and_sub().each(
            || Flaky::new().then_err(move || Unlisted::Thrown(kind)),
            |world| {
                assert!(world.call().is_err());
                assert_eq!(recorded(world), (u64::from(is_ignored), u64::from(!is_ignored)), "{kind:?}");
            },
        );
    }
}

/// The errors of EX-009 to EX-014: E2 is an E1 is an E0, each has a subtype S, and all but `Error` are exceptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Thrown {
    Exception,
    Runtime,
    Error,
    E0(Zero),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Zero {
    E0,
    S,
    E1(One),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum One {
    E1,
    S,
    E2(Two),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Two {
    E2,
    S,
}

/// In the order of the scenarios' answers: Exception, E0, E1, E2, E2S, E1S, E0S, Runtime, Error.
const THROWN: [Thrown; 9] = [
    Thrown::Exception,
    Thrown::E0(Zero::E0),
    Thrown::E0(Zero::E1(One::E1)),
    Thrown::E0(Zero::E1(One::E2(Two::E2))),
    Thrown::E0(Zero::E1(One::E2(Two::S))),
    Thrown::E0(Zero::E1(One::S)),
    Thrown::E0(Zero::S),
    Thrown::Runtime,
    Thrown::Error,
];

const YES: bool = true;
const NO: bool = false;

#[derive(Debug, thiserror::Error)]
enum Tree {
    #[error("{0:?}")]
    Thrown(Thrown),
    #[error(transparent)]
    Resilience(#[from] ResilienceError),
}

fn throws(thrown: Thrown) -> Flaky<u32, Tree> {
    Flaky::new().then_err(move || Tree::Thrown(thrown))
}

// A breaker has a list of what it ignores and none of what it records: what the scenario leaves out of `failOn` is
// ignored too. E2 is in every pattern of E0, so naming it beside E0 adds nothing.
both! {
    #[circuit_breaker(failure_threshold = "off", failure_rate = 1.0, window = 2, min_calls = 2, ignore =
        Tree::Thrown(Thrown::Exception | Thrown::Runtime | Thrown::Error | Thrown::E0(Zero::E1(_))))]
    fn fails_on_e0_and_e2_skips_e1 -> Result<u32, Tree>
}

both! {
    #[circuit_breaker(failure_threshold = "off", failure_rate = 1.0, window = 2, min_calls = 2, ignore =
        Tree::Thrown(Thrown::Error | Thrown::E0(_)))]
    fn fails_on_exception_and_e1_skips_e0_and_e2 -> Result<u32, Tree>
}

fn opens(world: &World<u32, Tree>) -> bool {
    for _ in 0..2 {
        assert!(matches!(world.call(), Err(Tree::Thrown(_))));
    }
    world.breaker().state() == State::Open
}

#[test]
fn ex_009_a_skipped_error_does_not_open_the_breaker_nor_does_what_belongs_to_it() {
    let answers = [NO, YES, NO, NO, NO, NO, YES, NO, NO];
    for (thrown, answer) in THROWN.into_iter().zip(answers) {
        fails_on_e0_and_e2_skips_e1()
            .each(|| throws(thrown), |world| assert_eq!(opens(world), answer, "{thrown:?}"));
    }
}

#[test]
fn ex_010_skipping_wins_over_a_more_specific_failure() {
    let answers = [YES, NO, NO, NO, NO, NO, NO, YES, NO];
    for (thrown, answer) in THROWN.into_iter().zip(answers) {
        fails_on_exception_and_e1_skips_e0_and_e2()
            .each(|| throws(thrown), |world| assert_eq!(opens(world), answer, "{thrown:?}"));
    }
}

both! {
    #[retry_with_backoff(max_retries = 1, retry_on = Tree::Thrown(Thrown::E0(_)), ignore =
        Tree::Thrown(Thrown::E0(Zero::E1(_))))]
    fn retries_e0_and_e2_aborts_e1 -> Result<u32, Tree>
}

both! {
    #[retry_with_backoff(max_retries = 1, ignore = Tree::Thrown(Thrown::E0(_)), retry_on =
        Tree::Thrown(Thrown::Exception | Thrown::Runtime | Thrown::E0(_)))]
    fn retries_exception_and_e1_aborts_e0_and_e2 -> Result<u32, Tree>
}

fn retried(world: &World<u32, Tree>) -> bool {
    assert!(matches!(world.call(), Err(Tree::Thrown(_))));
    world.executions() == 2
}

#[test]
fn ex_012_an_aborting_error_is_not_retried_nor_is_what_belongs_to_it() {
    let answers = [NO, YES, NO, NO, NO, NO, YES, NO, NO];
    for (thrown, answer) in THROWN.into_iter().zip(answers) {
        retries_e0_and_e2_aborts_e1()
            .each(|| throws(thrown), |world| assert_eq!(retried(world), answer, "{thrown:?}"));
    }
}

#[test]
fn ex_013_aborting_wins_over_a_more_specific_retry() {
    let answers = [YES, NO, NO, NO, NO, NO, NO, YES, NO];
    for (thrown, answer) in THROWN.into_iter().zip(answers) {
        retries_exception_and_e1_aborts_e0_and_e2()
            .each(|| throws(thrown), |world| assert_eq!(retried(world), answer, "{thrown:?}"));
    }
}

both! {
    #[circuit_breaker(ignore = Tree::Thrown(Thrown::E0(Zero::E1(_))))]
    sync #[retry_with_backoff(max_attempts = 1, fallback = spare)]
    async #[retry_with_backoff(max_attempts = 1, fallback = spare_later)]
    fn falls_back -> Result<u32, Tree>
}

#[test]
fn ex_014_the_fallback_answers_for_every_error() {
    // The scenario's lists choose the errors a fallback is for; ours is for any final error, ignored ones included.
    for thrown in THROWN {
        falls_back().each(
            || throws(thrown),
            |world| {
                assert_eq!(world.call().unwrap(), SPARE, "{thrown:?}");
                assert_eq!((world.executions(), world.count("fallback")), (1, 1), "{thrown:?}");
            },
        );
    }
}
