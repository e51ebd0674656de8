//! Fuzzes `entries::label_selector`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| quorate_fuzz::entries::label_selector(data));
