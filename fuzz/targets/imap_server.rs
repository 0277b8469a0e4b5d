//! See `fuzzing::imap::server`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzzing::imap::server(data));
