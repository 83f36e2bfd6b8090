//! Sequences of operations on bulkhead, rate limit and budget, each in step with its reference.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((part, script)) = bytes.split_first() else { return };
    match part % 5 {
        0 => resilient_runtime::fuzzing::bulkhead_slots(script),
        1 => resilient_runtime::fuzzing::bulkhead(script),
        2 => resilient_runtime::fuzzing::rate_limit_algorithms(script),
        3 => resilient_runtime::fuzzing::rate_limiter(script),
        _ => resilient_runtime::fuzzing::retry_budget(script),
    }
});
