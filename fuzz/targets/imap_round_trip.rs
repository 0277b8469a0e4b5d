//! See `fuzzing::imap::round_trip`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzzing::imap::round_trip(data));
