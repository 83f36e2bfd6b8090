//! Whom to ask first: a pure choice.

use std::cmp::Ordering;

use crate::FactoryState;

/// Which of several factories that are equally well is asked first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Selection {
    /// The one of the highest weight; of two equal ones, the one that was registered first.
    #[default]
    Heaviest,
    /// Each in proportion to its weight, as evenly as that goes: of two with 2.0 and 1.0 the first twice, the other once.
    ///
    /// Source: the smooth weighted round robin of nginx, `ngx_http_upstream_round_robin.c`.
    Weighted,
}

/// A factory as the choice sees it. They come in the order of their registration.
pub(super) struct Choice<'a> {
    pub(super) state: FactoryState,
    pub(super) weight: f64,
    /// What a weighted selection owes it.
    pub(super) owed: &'a mut f64,
}

/// The healthy are asked before the degraded, those before the recovering, those before the failed.
const fn tier(state: FactoryState) -> u8 {
    match state {
        FactoryState::Healthy => 0,
        FactoryState::Degraded => 1,
        FactoryState::Recovering => 2,
        FactoryState::Failed => 3,
    }
}

/// In which order to ask.
pub(super) fn order(selection: Selection, choices: &mut [Choice<'_>]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..choices.len()).collect();
    order.sort_by(|one, other| {
        let (one, other) = (&choices[*one], &choices[*other]);
        tier(one.state).cmp(&tier(other.state)).then_with(|| heavier(one.weight, other.weight))
    });
    if let (Selection::Weighted, Some(best)) = (selection, order.first()) {
        let best = tier(choices[*best].state);
        let equals: Vec<usize> =
            order.iter().copied().take_while(|at| tier(choices[*at].state) == best).collect();
        let first = turn(choices, &equals);
        order.retain(|at| *at != first);
        order.insert(0, first);
    }
    order
}

fn heavier(one: f64, other: f64) -> Ordering {
    other.total_cmp(&one)
}

/// Whose turn it is; everybody is owed its weight, and who gets the turn pays for all.
fn turn(choices: &mut [Choice<'_>], equals: &[usize]) -> usize {
    let mut total = 0.0;
    let mut first = equals[0];
    for at in equals {
        total += choices[*at].weight;
        *choices[*at].owed += choices[*at].weight;
        if *choices[*at].owed > *choices[first].owed {
            first = *at;
        }
    }
    *choices[first].owed -= total;
    first
}

#[cfg(test)]
mod tests {
    use super::*;
    use FactoryState::{Degraded, Failed, Healthy, Recovering};

    fn ordered(selection: Selection, factories: &[(FactoryState, f64)], owed: &mut [f64]) -> Vec<usize> {
        let choices = factories.iter().zip(owed);
        let mut choices: Vec<_> =
            choices.map(|((state, weight), owed)| Choice { state: *state, weight: *weight, owed }).collect();
        order(selection, &mut choices)
    }

    #[test]
    fn s000_08_the_healthy_come_first_then_the_degraded_the_recovering_and_the_failed() {
        let states = [Failed, Recovering, Degraded, Healthy];
        let factories = states.map(|state| (state, 1.0));
        for selection in [Selection::Heaviest, Selection::Weighted] {
            assert_eq!(ordered(selection, &factories, &mut [0.0; 4]), [3, 2, 1, 0]);
            assert_eq!(ordered(selection, &factories[..1], &mut [0.0; 1]), [0]);
            assert!(ordered(selection, &[], &mut []).is_empty());
        }
    }

    #[test]
    fn d000_10_of_those_that_are_equally_well_the_heaviest_is_asked_and_of_equals_the_first() {
        let factories = [(Healthy, 0.8), (Healthy, 1.0), (Degraded, 5.0), (Healthy, 1.0), (Degraded, 6.0)];
        assert_eq!(ordered(Selection::Heaviest, &factories, &mut [0.0; 5]), [1, 3, 0, 4, 2]);
    }

    #[test]
    fn d000_10_a_weighted_selection_gives_each_its_share_as_evenly_as_that_goes() {
        let factories = [(Healthy, 5.0), (Healthy, 1.0), (Healthy, 1.0), (Degraded, 100.0)];
        let mut owed = [0.0; 4];
        let mut firsts = || ordered(Selection::Weighted, &factories, &mut owed)[0];
        let turns: Vec<_> = (0..14).map(|_| firsts()).collect();
        assert_eq!(turns, [0, 0, 1, 0, 2, 0, 0, 0, 0, 1, 0, 2, 0, 0]);
        assert_eq!(owed.map(f64::to_bits), [0.0_f64; 4].map(f64::to_bits));
    }

    #[test]
    fn who_is_not_first_by_turns_is_asked_next_by_weight() {
        let factories = [(Healthy, 1.0), (Healthy, 3.0), (Healthy, 2.0), (Failed, 9.0)];
        let mut owed = [10.0, 0.0, 0.0, 0.0];
        assert_eq!(ordered(Selection::Weighted, &factories, &mut owed), [0, 1, 2, 3]);
        assert_eq!(owed.map(f64::to_bits), [5.0_f64, 3.0, 2.0, 0.0].map(f64::to_bits));
    }
}
