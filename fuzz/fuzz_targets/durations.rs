//! The corpus and the reader are those of the same name in src/fuzz.rs.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| canhazgpu::fuzz::run("durations", bytes));
