//! Scenario tests of the engine, called sentences: given plugins, events and verdicts, they expect effects and records.
//!
//! The tests use only the public interface of the engine, with a clock that jumps. No test sleeps.
#![cfg(test)]

mod alerts;
mod blocks;
mod budgets;
mod deeds;
mod faults;
mod grants;
mod kills;
mod merge;
mod messages;
mod naming;
mod properties;
mod protection;
mod records;
mod recurring;
mod reload;
mod reports;
mod rounds;
mod selections;
mod steering;
mod stop;
mod sweeps;
mod turns;
mod words;
mod world;
