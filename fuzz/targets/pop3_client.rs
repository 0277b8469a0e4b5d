//! See `fuzzing::pop3::client`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzzing::pop3::client(data));
