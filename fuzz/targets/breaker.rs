//! Sequences of operations on the breaker, each in step with its reference.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((part, script)) = bytes.split_first() else { return };
    match part % 4 {
        0 => resilient_runtime::fuzzing::breaker_window(script),
        1 => resilient_runtime::fuzzing::breaker_machine(script),
        _ => resilient_runtime::fuzzing::breaker(script),
    }
});
