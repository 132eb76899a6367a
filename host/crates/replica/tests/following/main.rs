//! The replica against a kernel in miniature: sentences for each subtle case, and properties over random histories.
//!
//! All of it goes through the crate's one door, as the program does.
#![cfg(test)]

mod kernel;
mod properties;
mod sentences;
