//! Any bytes as what a read from the kernel gave.
//!
//! What is checked lies beside this file, because the tests replay the corpus through the same function.
#![no_main]

#[path = "../fuzz_one.rs"]
mod fuzz_one;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz_one::fuzz_one(bytes));
