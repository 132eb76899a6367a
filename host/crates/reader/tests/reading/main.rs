//! The reader through its public interface: sentences for each decision, and properties over random histories of a
//! kernel in miniature.
#![cfg(test)]

mod flows;
mod kernel;
mod properties;
mod sentences;
