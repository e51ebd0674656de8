//! Fuzzes `entries::experiment`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| quorate_fuzz::entries::experiment(data));
