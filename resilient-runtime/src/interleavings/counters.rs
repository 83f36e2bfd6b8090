use loom::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::counters::Counters;

type One = Counters<1>;

/// A thread that is given its line when it first counts, and gives it back when it ends.
fn newcomer(counters: &Arc<One>, part: impl FnOnce(&One) + Send + 'static) -> JoinHandle<()> {
    let counters = Arc::clone(counters);
    spawn(move || part(&counters))
}

fn add(counters: &One) {
    counters.add(0_usize);
}

fn sum(counters: &One) -> u64 {
    counters.sum(0_usize)
}

#[test]
fn three_threads_of_which_one_finds_no_line_of_its_own_lose_no_count() {
    explore(|| {
        let counters = Arc::new(One::default());
        answers([(); 3].map(|()| newcomer(&counters, add)));
        assert_eq!(sum(&counters), 3);
    });
}

#[test]
fn threads_that_share_a_line_lose_no_count() {
    explore(|| {
        let counters = Arc::new(One::default());
        let others = [2, 3].map(|slot| {
            newcomer(&counters, move |counters| {
                take_slot(slot);
                add(counters);
            })
        });
        take_slot(4);
        add(&counters);
        answers(others);
        assert_eq!(sum(&counters), 3);
    });
}

#[test]
fn words_that_threads_change_beside_what_they_count_lose_no_change() {
    // In lines of their own, and in that of those without one.
    for (slots, most) in [([0, 1], 3), ([2, 3], 6)] {
        explore(move || {
            let counters = Arc::new(Counters::<2>::default());
            let changes = |counters: &Counters<2>| counters.add_and_change(0_usize, 1_usize, |word| word + 3);
            let other = beside(&counters, move |counters: &Counters<2>| {
                take_slot(slots[1]);
                changes(counters);
            });
            take_slot(slots[0]);
            changes(&counters);
            answer(other);
            assert_eq!((counters.sum(0_usize), counters.sum(1_usize)), (2, 6));
            assert_eq!(counters.each(1_usize).max(), Some(most));
        });
    }
}

#[test]
fn a_line_that_an_ended_thread_gave_back_goes_on_where_it_was() {
    explore(|| {
        let counters = Arc::new(One::default());
        // Three in two lines, each as soon as there is one.
        let first = newcomer(&counters, add);
        answer(newcomer(&counters, add));
        answer(newcomer(&counters, add));
        answer(first);
        assert_eq!(sum(&counters), 3);
    });
}

#[test]
fn a_sum_never_falls() {
    explore(|| {
        let counters = Arc::new(One::default());
        let other = beside(&counters, |counters| {
            let sums = [(); 2].map(|()| sum(counters));
            assert!(sums[0] <= sums[1], "{sums:?}");
        });
        let another = beside(&counters, add);
        add(&counters);
        add(&counters);
        answer(another);
        answer(other);
        assert_eq!(sum(&counters), 3);
    });
}

#[test]
fn whoever_sees_a_count_sees_what_was_done_before_it() {
    for slot in [0, 2] {
        explore(move || {
            let counters = Arc::new(One::default());
            take_slot(slot);
            add(&counters);
            let done = Arc::new(AtomicBool::new(false));
            let sees = Arc::clone(&done);
            let other = beside(&counters, move |counters| {
                assert!(sum(counters) == 1 || sees.load(Ordering::Relaxed));
            });
            done.store(true, Ordering::Relaxed);
            add(&counters);
            answer(other);
        });
    }
}
