//! See `fuzzing::pop3::server`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzzing::pop3::server(data));
