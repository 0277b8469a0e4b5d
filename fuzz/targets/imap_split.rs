//! See `fuzzing::imap::split`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzzing::imap::split(data));
