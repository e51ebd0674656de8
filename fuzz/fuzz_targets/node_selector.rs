//! Fuzzes `entries::node_selector`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| quorate_fuzz::entries::node_selector(data));
