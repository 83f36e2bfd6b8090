//! What a method takes over from the block around it: what the method says wins, key by key.

use crate::args::{Args, Backoff, Keyed, Written};
use crate::attributes::{Group, Layer};

/// What holds for a method that has the attributes `own` in a block that has `block`.
pub(crate) fn inherit(
    own: (Vec<Written>, Args),
    block: &(Vec<Written>, Args),
    may_hedge: bool,
) -> (Vec<Written>, Args) {
    let (mut words, mut args) = own;
    let (mut outer, mut given) = block.clone();
    one_policy(&mut words, &args, &mut outer, &mut given);
    layers(&words, &args, &mut outer, &mut given, may_hedge);
    choices(&args, &mut outer, &mut given);
    // The method's own words are the later ones, as they would be if all were stacked on it.
    outer.retain(|attribute| words.iter().all(|own| own.word.name != attribute.word.name));
    outer.extend(words);
    args.inherit(given);
    (outer, args)
}

/// A word that stands for a whole policy replaces the block's, but `#[resilient]` without an operation type: it adds
/// its keys to the block's profile.
fn one_policy(words: &mut Vec<Written>, args: &Args, outer: &mut Vec<Written>, given: &mut Args) {
    let whole = |attribute: &Written| attribute.word.whole;
    let Some(own) = words.iter().find(|attribute| whole(attribute)) else { return };
    if own.word.profile.is_some() || args.operation_type.is_some() {
        outer.retain(|attribute| !whole(attribute));
        given.operation_type = None;
    } else if outer.iter().any(whole) {
        words.retain(|attribute| !whole(attribute));
    }
}

/// Where the method asks for a layer or takes it away, the block's way of doing so goes; with the layer, so does what
/// the block says about it.
fn layers(words: &[Written], args: &Args, outer: &mut Vec<Written>, given: &mut Args, may_hedge: bool) {
    let narrow = |attribute: &Written, layer: Layer| !attribute.word.whole && attribute.asks_for(layer);
    let mut gone = Vec::new();
    for layer in Layer::ALL {
        let own_word = words.iter().any(|attribute| narrow(attribute, layer));
        if own_word || args.asks_for(layer) {
            given.unasked(layer);
        }
        if args.asks_for(layer) {
            outer.retain(|attribute| !narrow(attribute, layer));
        }
        // A hedge on a block is for the methods that can have one.
        let not_here = layer == Layer::Hedge && !may_hedge && !own_word && !args.asks_for(layer);
        if args.switch(layer) == Some(false) || not_here {
            outer.retain(|attribute| !narrow(attribute, layer));
            given.unasked(layer);
            gone.push(layer);
        }
    }
    for layer in &gone {
        given.forget(layer.group());
    }
    let any = |layers: &[Layer]| {
        layers.iter().any(|layer| {
            let asked = outer.iter().chain(words).any(|attribute| attribute.asks_for(*layer));
            !gone.contains(layer) && (asked || args.asks_for(*layer) || given.asks_for(*layer))
        })
    };
    let (retry, breaker, hedge) = (any(&[Layer::Retry]), any(&[Layer::Breaker]), any(&[Layer::Hedge]));
    let keyed = breaker || any(&[Layer::Bulkhead, Layer::RateLimit]);
    let counted = retry || breaker || hedge || any(&[Layer::Health]);
    if !retry {
        given.retry_on = None;
        given.retry_if = None;
    }
    if !breaker {
        given.retry_on_open = None;
    }
    if !hedge {
        given.idempotent = None;
    }
    if !retry && !hedge {
        given.forget(Group::Budget);
        given.forget(Group::BudgetParts);
    }
    if !keyed {
        given.per_key = None;
    }
    if !counted && !args.has_fallback() && !given.has_fallback() {
        given.ignore = None;
        given.failure_if = None;
    }
}

/// Where two keys say the same in two ways, the method's way holds.
fn choices(args: &Args, outer: &mut Vec<Written>, given: &mut Args) {
    if args.retry_on.is_some() || args.retry_if.is_some() {
        given.retry_on = None;
        given.retry_if = None;
    }
    let other_backoff = match &args.backoff {
        Some(Keyed { value: Backoff::Word(word), .. }) => word.value() != "exponential",
        Some(Keyed { value: Backoff::Function(_), .. }) => true,
        _ => false,
    };
    if other_backoff {
        given.exponential_base = None;
    }
    if args.exponential_base.is_some() {
        given.backoff = None;
    }
    if args.rate_limit_burst.is_some() {
        given.rate_limit_algorithm = None;
    }
    if args.rate_limit_algorithm.is_some() {
        given.rate_limit_burst = None;
    }
    if args.budget.is_some() {
        given.forget(Group::BudgetParts);
    }
    if args.has_fallback() {
        given.fallback = None;
        given.fallback_chain = None;
        given.fallback_value = None;
        given.exhausted = None;
    }
    if args.exhausted.is_some() {
        given.forget(Group::Fallback);
        outer.retain(|attribute| attribute.word.name != "fallback");
    }
}

impl Args {
    /// Whether a key asks for the layer by its name.
    fn asks_for(&self, layer: Layer) -> bool {
        let asked = match layer {
            Layer::Bulkhead => self.bulkhead.is_some(),
            Layer::RateLimit => self.rate_limit.is_some(),
            Layer::Hedge => self.hedge.is_some(),
            Layer::Retry | Layer::Breaker | Layer::Timeout | Layer::Health => false,
        };
        asked || (layer.is_added() && self.switch(layer) == Some(true))
    }

    /// Takes back what asks for the layer or removes it.
    fn unasked(&mut self, layer: Layer) {
        match layer {
            Layer::Retry => self.enable_retry = None,
            Layer::Breaker => self.enable_circuit_breaker = None,
            Layer::Timeout => self.enable_timeout = None,
            Layer::Health => {}
            Layer::Bulkhead => (self.bulkhead, self.enable_bulkhead) = (None, None),
            Layer::RateLimit => (self.rate_limit, self.enable_rate_limit) = (None, None),
            Layer::Hedge => (self.hedge, self.enable_hedge) = (None, None),
        }
    }

    fn switch(&self, layer: Layer) -> Option<bool> {
        let switch = match layer {
            Layer::Retry => &self.enable_retry,
            Layer::Breaker => &self.enable_circuit_breaker,
            Layer::Timeout => &self.enable_timeout,
            Layer::Health => &None,
            Layer::Bulkhead => &self.enable_bulkhead,
            Layer::RateLimit => &self.enable_rate_limit,
            Layer::Hedge => &self.enable_hedge,
        };
        switch.as_ref().map(|switch| switch.value.0)
    }

    fn has_fallback(&self) -> bool {
        self.fallback.is_some() || self.fallback_chain.is_some() || self.fallback_value.is_some()
    }
}
