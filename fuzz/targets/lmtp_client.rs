//! See `fuzzing::smtp::lmtp_client`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzzing::smtp::lmtp_client(data));
