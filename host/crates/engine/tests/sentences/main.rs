//! The engine tested by sentences: given these plugins, events and verdicts, expect these effects and records.
//!
//! They go through the engine's doors only, with a clock that jumps; no test sleeps.
#![cfg(test)]

mod alerts;
mod blocks;
mod budgets;
mod deeds;
mod faults;
mod grants;
mod merge;
mod messages;
mod naming;
mod properties;
mod protection;
mod records;
mod recurring;
mod reload;
mod rounds;
mod selections;
mod stop;
mod sweeps;
mod turns;
mod words;
mod world;
