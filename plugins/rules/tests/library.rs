//! Each rule file of the library meets its table of flows, and decides as the table says.
//!
//! `golden/NAME.txt` belongs to `builtin/NAME.toml`. A line is one of:
//!
//! - `set NAME NETWORK[=VALUE]…`: an address set. These come first.
//! - `new|row|update|destroy PROTOCOL SOURCE DESTINATION [WORD…]`: a flow. Flows of one kind that follow each other are
//!   one batch; rows are a sweep. The words are `established`, `by=` (server after NAT), `as=` (sender after NAT),
//!   `bytes=SENT/RECEIVED`, `age=SECONDS`, `timeout=SECONDS`, `id=`, and `x=` (so many flows).
//! - `change NAME NETWORK[=VALUE]…`: the set changes.
//! - `advance SECONDS`: time passes.
//! - `> VERDICT`: what the lines before it lead to. Whatever is not written must not come.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a line of a table that cannot be read is a test that fails"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ctwarden_sdk::prelude::*;
use ctwarden_sdk::testing::{FlowBuilder, Harness, Host, flow};
use rules::RulesPolicy;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The files with this ending, by name.
fn files(name: &str, ending: &str) -> BTreeMap<String, String> {
    let paths = fs::read_dir(folder(name)).unwrap().map(|file| file.unwrap().path());
    let named = paths.filter(|path| path.extension().is_some_and(|found| found == ending));
    named
        .map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(&path).unwrap()))
        .collect()
}

#[test]
fn every_rule_file_has_a_table_and_decides_as_it_says() {
    let (rules, tables) = (files("builtin", "toml"), files("golden", "txt"));
    assert_eq!(rules.keys().collect::<Vec<_>>(), tables.keys().collect::<Vec<_>>(), "each rule file has a table");
    assert!(!rules.is_empty());
    for (name, text) in &rules {
        let said = ctwarden_rules::file::read(text, &|_| Ok(()));
        assert!(said.is_ok(), "{name}: {said:?}");
        let table = tables.get(name).unwrap();
        assert!(table.contains("\n> "), "{name}: a table shows at least one effect");
        play(name, text, table);
    }
}

/// Networks as the harness takes them: a value after a blank.
fn networks<'a>(words: impl Iterator<Item = &'a str>) -> Vec<String> {
    words.map(|word| word.replace('=', " ")).collect()
}

fn play(name: &str, rules: &str, table: &str) {
    let lines: Vec<&str> =
        table.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    let mut host = Host::new();
    for line in lines.iter().filter_map(|line| line.strip_prefix("set ")) {
        let mut words = line.split(' ');
        let set = words.next().unwrap();
        let networks = networks(words);
        host = host.set(set, networks.iter().map(String::as_str));
    }
    let configuration: toml::Table = toml::from_str(rules).unwrap();
    let mut policy: Harness<RulesPolicy> = host.start(serde_json::to_value(configuration).unwrap()).unwrap();
    let (mut said, mut expected): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    let mut batch: (&str, Vec<FlowBuilder>) = ("", Vec::new());
    for line in lines.iter().filter(|line| !line.starts_with("set ")) {
        let (word, rest) = line.split_once(' ').unwrap();
        let is_flow = ["new", "row", "update", "destroy"].contains(&word);
        if !is_flow || batch.0 != word {
            said.extend(deliver(&mut policy, std::mem::take(&mut batch)));
        }
        if word != ">" && !expected.is_empty() {
            assert_eq!(said, expected, "{name}: before \"{line}\"");
            said.clear();
            expected.clear();
        }
        match word {
            ">" => expected.push(rest.to_owned()),
            "advance" => policy.advance(Duration::from_secs(rest.parse().unwrap())),
            "change" => {
                assert!(said.is_empty(), "{name}: before \"{line}\": {said:?}");
                let (set, rest) = rest.split_once(' ').unwrap_or((rest, ""));
                let networks = networks(rest.split_whitespace());
                said.extend(policy.change_set(set, networks.iter().map(String::as_str)).lines());
            }
            _ => {
                batch.0 = word;
                batch.1.extend(flows(word, rest, policy.now()));
            }
        }
    }
    said.extend(deliver(&mut policy, batch));
    assert_eq!(said, expected, "{name}: at the end");
}

fn deliver(policy: &mut Harness<RulesPolicy>, (kind, flows): (&str, Vec<FlowBuilder>)) -> Vec<String> {
    let lines = match kind {
        "" => Vec::new(),
        "row" => policy.sweep(flows).lines(),
        _ => policy.events(flows).lines(),
    };
    lines.into_iter().map(without_fields).collect()
}

/// A log line without its fields, which repeat the flow.
fn without_fields(line: String) -> String {
    match (line.strip_prefix("log ["), line.split_once("] on ")) {
        (Some(_), Some((_, rest))) => format!("log on {rest}"),
        _ => line,
    }
}

fn flows(kind: &str, line: &str, now: Timestamp) -> Vec<FlowBuilder> {
    let mut words = line.split_whitespace();
    let protocol = words.next().unwrap().parse::<Protocol>().unwrap();
    let (from, to) = (words.next().unwrap(), words.next().unwrap());
    let words: Vec<&str> = words.collect();
    let times = words.iter().find_map(|word| word.strip_prefix("x=")).map_or(1, |times| times.parse().unwrap());
    let one = || {
        let flow = flow().protocol(protocol).from(from).to(to);
        let flow = match kind {
            "update" => flow.updated(),
            "destroy" => flow.destroyed(),
            _ => flow,
        };
        words.iter().fold(flow, |flow, word| with(flow, word, now))
    };
    (0..times).map(|_| one()).collect()
}

fn with(flow: FlowBuilder, word: &str, now: Timestamp) -> FlowBuilder {
    let (name, value) = word.split_once('=').unwrap_or((word, ""));
    match name {
        "established" => flow.established(),
        "by" => flow.answered_by(value),
        "as" => flow.appearing_as(value),
        "id" => flow.id(value.parse().unwrap()),
        "timeout" => flow.timeout(value.parse().unwrap()),
        "age" => flow.started(Timestamp(now.0.saturating_sub(value.parse::<u64>().unwrap() * 1_000_000_000))),
        "bytes" => {
            let (sent, received) = value.split_once('/').unwrap();
            flow.counters((1, sent.parse().unwrap()), (1, received.parse().unwrap()))
        }
        "x" => flow,
        _ => panic!("{word} is no word of a flow"),
    }
}
