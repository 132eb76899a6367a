//! A copy of the connection tracking table that follows it from events and sweeps.
//!
//! It exists because a dump of a million entries takes seconds, and a ban has milliseconds: with the copy, the flows of an
//! address are found through an index. No clock, no I/O, no unsafe.
#![no_std]
#![forbid(unsafe_code)]
