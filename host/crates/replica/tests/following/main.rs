//! The replica against a small simulated kernel: one test for each subtle case, and properties over random histories.
//!
//! All tests use only the public interface of the crate, as the program does.
#![cfg(test)]

mod kernel;
mod properties;
mod sentences;
