//! See `fuzzing::mupdate::round_trip`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzzing::mupdate::round_trip(data));
