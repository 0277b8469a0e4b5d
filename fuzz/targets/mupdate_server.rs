//! See `fuzzing::mupdate::server`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzzing::mupdate::server(data));
