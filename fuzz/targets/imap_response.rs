//! See `fuzzing::imap::response`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzzing::imap::response(data));
