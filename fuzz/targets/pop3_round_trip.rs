//! See `fuzzing::pop3::round_trip`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzzing::pop3::round_trip(data));
