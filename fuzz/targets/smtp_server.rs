//! See `fuzzing::smtp::server`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzzing::smtp::server(data));
