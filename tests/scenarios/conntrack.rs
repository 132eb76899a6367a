//! Compares our `conntrack` with the program that it replaces: the same arguments, the same table, the same answer.
//!
//! A user who replaces the original must notice no difference. The tests therefore compare everything that a user can
//! notice: both outputs, the exit status, and the table afterwards. `known.rs` lists the intended differences; every
//! other difference is a fault.

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
