//! See `fuzzing::smtp::lmtp_server`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzzing::smtp::lmtp_server(data));
