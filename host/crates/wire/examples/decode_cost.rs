//! Measures the cost of decoding an entry, over the rows and events of the corpus.
//!
//! `cargo run --release -p ctwarden-wire --example decode_cost` prints nanoseconds for each entry, the minimum of many
//! rounds. The goal for the walk alone is 60.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a measurement, run by hand")]

#[path = "../tests/captured/entry_file.rs"]
#[allow(dead_code, reason = "the tests use the rest of it")]
mod entry_file;

use std::hint::black_box;
use std::time::Instant;

use ctwarden_wire::{Content, Message, Messages};

const ROUNDS: u32 = 2000;

fn main() {
    for take in ["rows", "events"] {
        let bytes: Vec<u8> =
            entry_file::all().iter().filter(|file| file.take == take).flat_map(entry_file::EntryFile::bytes).collect();
        let entries = Messages::new(&bytes).filter(|message| is_entry(message.as_ref().unwrap())).count();
        let report = |what: &str, work: &dyn Fn(&Message<'_>)| {
            let mut least = f64::MAX;
            for _ in 0..ROUNDS {
                let start = Instant::now();
                for message in Messages::new(black_box(&bytes)) {
                    work(&message.unwrap());
                }
                least = least.min(start.elapsed().as_secs_f64());
            }
            println!("{take:6} {what:36} {:6.1} ns an entry ({entries} entries)", least * 1e9 / entries as f64);
        };
        report("framing", &|message| {
            black_box(message.header.kind);
        });
        report("walk", &|message| {
            black_box(message.content());
        });
        report("walk, id, mark, status, timeout", &|message| {
            if let Content::Conntrack(entry) = message.content() {
                black_box((entry.flow.id(), entry.flow.mark(), entry.flow.status(), entry.flow.timeout()));
            }
        });
        report("walk, original tuple", &|message| {
            if let Content::Conntrack(entry) = message.content() {
                black_box(entry.flow.original().unwrap());
            }
        });
        report("whole value", &|message| {
            if let Content::Conntrack(entry) = message.content() {
                black_box(entry.flow.to_flow().unwrap());
            }
        });
    }
}

fn is_entry(message: &Message<'_>) -> bool {
    matches!(message.content(), Content::Conntrack(_))
}
