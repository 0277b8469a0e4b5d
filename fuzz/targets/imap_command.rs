//! See `fuzzing::imap::command`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzzing::imap::command(data));
