//! Every single byte that changes, and every byte that is missing.
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use resilient::factory::serializers::{Serializer, open};

use crate::{
    MOST_MEMORY,
    counting::peak_of,
    values::{Value, value},
    whole::all_serializers,
};

const ENVELOPES: usize = 10_000;

/// The same values in every run.
pub(crate) fn values() -> impl Iterator<Item = Value> {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let strategy = value();
    std::iter::repeat_with(move || strategy.new_tree(&mut runner).unwrap().current())
}

/// Small ones, of every format and compression in turn.
fn envelopes(serializers: &[Serializer]) -> impl Iterator<Item = Vec<u8>> {
    let mut values = values();
    serializers.iter().cycle().map(move |serializer| {
        let small = values.by_ref().map(|value| serializer.seal(&value).unwrap());
        small
            .take(100)
            .find(|sealed| sealed.len() < 100)
            .unwrap_or_else(|| serializer.seal(&Value::Nothing).unwrap())
    })
}

fn is_refused(envelope: &[u8], what: impl Fn() -> String) {
    let (opened, peak) = peak_of(|| open::<Value>(envelope).map(drop));
    assert!(opened.is_err(), "{}: {envelope:02x?}", what());
    assert!(peak < MOST_MEMORY, "{}: {peak} bytes", what());
}

#[test]
fn every_byte_changed_and_every_truncation_of_ten_thousand_envelopes_is_an_error() {
    let serializers = all_serializers();
    for (index, mut sealed) in envelopes(&serializers).take(ENVELOPES).enumerate() {
        // All 255 changes of some, and of each the lowest bit, the highest bit, all bits, and one of the others.
        let every = (1..=255).collect::<Vec<u8>>();
        let few = [1, 0x80, 0xff, 2 << (index % 6)];
        let changes = if index % 100 < 2 { &every[..] } else { &few[..] };
        for at in 0..sealed.len() {
            for change in changes {
                sealed[at] ^= change;
                is_refused(&sealed, || format!("byte {at} changed by {change:#04x}"));
                sealed[at] ^= change;
            }
        }
        for len in 0..sealed.len() {
            is_refused(&sealed[..len], || format!("cut to {len} bytes"));
        }
        sealed.push(0);
        is_refused(&sealed, || "one byte more".to_owned());
    }
}
