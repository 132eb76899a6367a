//! Our `conntrack` beside the program that it replaces: the same words, the same table, the same answer.
//!
//! Whoever puts it in the other's place must notice nothing, so what is compared is all that can be noticed: both outputs,
//! the exit status, and the table afterwards. What differs on purpose is listed in `known.rs`; everything else that differs
//! is a fault.

mod changing;
mod dying;
mod expecting;
mod field;
mod grid;
mod json;
mod known;
mod legality;
mod listening;
mod manners;
mod pasting;
mod reading;
mod repairs;
mod saving;
mod succeeding;
mod words;
mod world;
