//! .
use crate::entry_file;
use ctwarden_wire::{Content, Messages};
#[test]
fn print() {
    for file in entry_file::all() {
        println!("=== {}", file.name());
        for bytes in &file.messages {
            match Messages::new(bytes).next().unwrap().unwrap().content() {
                Content::Conntrack(e) => println!("{:?} {:?} {:?} {:?}", e.kind(), e.header, e.flow.oddities(), e.flow.to_flow().unwrap()),
                Content::Expectation(e) => println!("{:?} {:?} {:?}", e.kind(), e.header, e.expectation.to_expectation()),
                o => println!("{o:?}"),
            }
        }
    }
}
