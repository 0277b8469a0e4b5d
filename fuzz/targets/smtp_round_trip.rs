//! See `fuzzing::smtp::round_trip`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzzing::smtp::round_trip(data));
