//! Fuzzes `entries::pod`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| quorate_fuzz::entries::pod(data));
