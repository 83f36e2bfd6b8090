use super::*;
use crate::breaker::{Breaker, BreakerConfig, State};
use crate::family::Family;
use crate::outcome::Outcome;
use crate::registry::{Origin, Registry, Shared};

type Breakers = Registry<Breaker>;

/// One failure opens it.
fn touchy() -> BreakerConfig {
    BreakerConfig::new().failure_threshold(1)
}

fn origin(line: u32) -> Origin {
    Origin { operation: "op", at: format!("src/db.rs:{line}") }
}

struct Scene {
    breakers: Breakers,
    context: Arc<Context>,
}

impl Scene {
    fn new() -> Arc<Self> {
        Arc::new(Self { breakers: Breakers::default(), context: context().0 })
    }

    fn ask(&self, config: BreakerConfig, line: u32) -> (Arc<Breaker>, bool) {
        let (breaker, disagreement) = self.breakers.get_or_make("db", config, origin(line), &self.context);
        (breaker, disagreement.is_some())
    }
}

fn trip(breaker: &Breaker) {
    if let Ok(ticket) = breaker.acquire() {
        breaker.record(ticket, Outcome::Failure, None);
    }
}

#[test]
fn three_who_ask_first_share_one() {
    explore_within_bound(|| {
        let scene = Scene::new();
        let others = [1, 2].map(|line| beside(&scene, move |scene| scene.ask(touchy(), line)));
        let (mine, disagrees) = scene.ask(touchy(), 3);
        for (breaker, other_disagrees) in answers(others) {
            assert!(Arc::ptr_eq(&breaker, &mine) && !disagrees && !other_disagrees);
        }
        assert_eq!(scene.breakers.all().len(), 1);
    });
}

#[test]
fn of_two_who_ask_otherwise_the_second_is_told() {
    explore(|| {
        let scene = Scene::new();
        let other = beside(&scene, |scene| scene.ask(touchy(), 1));
        let (mine, disagrees) = scene.ask(touchy().failure_threshold(7), 2);
        let (others, other_disagrees) = answer(other);
        assert!(Arc::ptr_eq(&mine, &others) && disagrees != other_disagrees);
        let first = if disagrees { 1 } else { 7 };
        assert_eq!(mine.snapshot().failure_threshold, first);
    });
}

#[test]
fn of_two_changes_at_once_the_one_asked_for_last_is_in_force() {
    explore_within_bound(|| {
        let scene = Scene::new();
        let (breaker, _) = scene.ask(touchy(), 1);
        let other = beside(&scene, |scene| drop(scene.ask(touchy().failure_threshold(5), 1)));
        scene.ask(touchy().failure_threshold(7), 1);
        answer(other);
        let in_force = breaker.snapshot().failure_threshold;
        // The registry says who was last: it finds nothing to change.
        scene.ask(touchy().failure_threshold(in_force), 2);
        let (_, disagrees) = scene.ask(touchy().failure_threshold(in_force), 2);
        assert!(!disagrees, "{in_force} is in force, and not what was asked for");
    });
}

#[test]
fn one_that_is_asked_for_while_all_are_forgotten_begins_anew() {
    explore_within_bound(|| {
        let scene = Scene::new();
        let (breaker, _) = scene.ask(touchy(), 1);
        trip(&breaker);
        let other = beside(&scene, |scene| scene.breakers.reset());
        let (again, disagrees) = scene.ask(touchy(), 1);
        answer(other);
        assert!(Arc::ptr_eq(&again, &breaker) && !disagrees);
        assert_eq!(breaker.state(), State::Closed);
        scene.breakers.reset();
        trip(&breaker);
        assert_eq!(
            scene.ask(touchy(), 1).0.state(),
            State::Closed,
            "what was done to it while nobody knew it is gone"
        );
    });
}

#[test]
fn a_failure_beside_a_reset_of_all_opens_nothing() {
    explore(|| {
        let scene = Scene::new();
        let (breaker, _) = scene.ask(touchy(), 1);
        let ticket = breaker.acquire().unwrap();
        let other = beside(&breaker, move |breaker| breaker.record(ticket, Outcome::Failure, None));
        scene.breakers.reset();
        answer(other);
        assert_eq!(breaker.state(), State::Closed);
    });
}

type Tenants = Family<Breaker>;

fn tenants() -> Arc<Tenants> {
    Arc::new(Tenants::make("db", touchy(), context().0))
}

#[test]
fn two_who_ask_for_a_new_key_share_one() {
    explore(|| {
        let tenants = tenants();
        let other = beside(&tenants, |tenants| tenants.member("a"));
        let mine = tenants.member("a");
        assert!(Arc::ptr_eq(&mine, &answer(other)));
        assert_eq!(tenants.members().len(), 1);
    });
}

#[test]
fn a_member_in_use_is_not_forgotten_while_others_come_and_go() {
    explore(|| {
        let tenants = tenants();
        let mine = tenants.member("mine");
        let others = ["a", "b"].map(|key| beside(&tenants, move |tenants| drop(tenants.member(key))));
        answers(others);
        assert!(Arc::ptr_eq(&mine, &tenants.member("mine")));
        assert!(tenants.members().len() <= crate::family::MOST_KEYS);
    });
}

#[test]
fn an_open_member_is_not_forgotten_for_one_at_rest() {
    explore_within_bound(|| {
        let tenants = tenants();
        trip(&tenants.member("open"));
        let others = ["a", "b"].map(|key| beside(&tenants, move |tenants| drop(tenants.member(key))));
        answers(others);
        assert_eq!(tenants.member("open").state(), State::Open);
    });
}

#[test]
fn a_result_beside_a_reset_of_every_member_does_not_count_in_the_next() {
    explore(|| {
        let tenants = tenants();
        let member = tenants.member("a");
        let ticket = member.acquire().unwrap();
        let other = beside(&member, move |member| member.record(ticket, Outcome::Failure, None));
        tenants.reset(None);
        answer(other);
        assert_eq!(member.state(), State::Closed);
        let next = tenants.member("a");
        assert!(!Arc::ptr_eq(&next, &member));
        assert_eq!(next.state(), State::Closed);
    });
}
