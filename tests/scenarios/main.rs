//! Everything that a person can see ctwarden do, seen from outside, on the real kernel.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a step of a test that fails is a test that fails, and its message is the panic"
)]

mod asking;
mod banning;
mod blocking;
mod bundling;
mod capping;
mod changing;
mod claiming;
mod conntrack;
mod containing;
mod counting;
mod crowding;
mod deleting;
mod detailing;
mod diagnosing;
mod enduring;
mod entrusting;
mod flooding;
mod forwarding;
mod guarding;
mod hearing;
mod killing;
mod library;
mod listing;
mod loading;
mod locating;
mod losing;
mod marking;
mod mirroring;
mod naming;
mod observing;
mod recording;
mod reloading;
mod replica;
mod reporting;
mod resizing;
mod scanning;
mod speaking;
mod starting;
mod steering;
mod trying;
mod weighing;
mod world;
