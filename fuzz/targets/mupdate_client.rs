//! See `fuzzing::mupdate::client`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzzing::mupdate::client(data));
