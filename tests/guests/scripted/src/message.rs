//! A message: verdicts for a target, or a question to the host.
//!
//! Verdicts are `none: WHAT; WHAT …`, `key NAME: WHAT …` (the flow that a rule remembered), `reply NAME: WHAT …` (the
//! same flow by its reply tuple), `forged NAME: WHAT …` (with another id), `matching WORDS [limit N]: WHAT …` with
//! words as in [`filter`]. Questions are `table`, `get NAME`, `lookup SET ADDRESS …`, `store KEY VALUE`, `load KEY`,
//! `keys BEGINNING`, `forget KEY`. The policy refuses `refuse TEXT` with that text.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ctwarden_sdk::prelude::*;
use ctwarden_sdk::verdict::Target;

use crate::named::Named;
use crate::what;

/// Answers a message with verdicts, or with text for the sender.
pub(crate) fn answer(text: &str, remembered: &BTreeMap<String, Named>) -> Result<Reply, Refusal> {
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.as_slice() {
        ["refuse", ..] => Err(text.trim_start_matches("refuse").trim().into()),
        ["table"] => {
            let figures = table::statistics().ok_or("the kernel would not say")?;
            Ok(reply(format!("entries {} maximum {:?}", figures.entries, figures.maximum)))
        }
        ["get", name] => Ok(reply(match named(name, remembered)?.key.fetch() {
            Some(entry) => format!("id {} timeout {:?} mark {:?}", entry.id(), entry.timeout(), entry.mark()),
            None => "gone".to_owned(),
        })),
        ["lookup", set, addresses @ ..] => {
            let addresses: Vec<IpAddr> = addresses.iter().map(|address| address.parse()).collect::<Result<_, _>>()?;
            Ok(reply(format!("{:?}", sets::lookup(set, &addresses)?)))
        }
        ["store", name, value] => {
            memory::set(name, value.as_bytes())?;
            Ok(reply("stored"))
        }
        ["store", name, value, seconds] => {
            memory::set_for(name, value.as_bytes(), Lifetime::from_secs(seconds.parse()?))?;
            Ok(reply("stored"))
        }
        ["load", name] => Ok(reply(
            memory::get(name)
                .map_or_else(|| "nothing".to_owned(), |bytes| String::from_utf8_lossy(&bytes).into_owned()),
        )),
        ["keys", beginning @ ..] => Ok(reply(memory::keys(beginning.first().unwrap_or(&"")).join(" "))),
        ["forget", name] => {
            memory::remove(name);
            Ok(reply("forgotten"))
        }
        _ => verdicts(text, remembered),
    }
}

fn verdicts(text: &str, remembered: &BTreeMap<String, Named>) -> Result<Reply, Refusal> {
    let (about, wanted) = text.split_once(": ").ok_or("write TARGET: WHAT")?;
    let about: Vec<&str> = about.split_whitespace().collect();
    let target = match about.as_slice() {
        ["none"] => None,
        ["key", name] => Some(Target::Key(named(name, remembered)?.key)),
        ["reply", name] => Some(Target::Key(named(name, remembered)?.reply)),
        ["forged", name] => Some(Target::Key(named(name, remembered)?.forged())),
        ["matching", words @ .., "limit", limit] => {
            Some(Target::Matching { filter: Box::new(filter(words)?), limit: limit.parse()? })
        }
        ["matching", words @ ..] => Some(Target::Matching { filter: Box::new(filter(words)?), limit: 0 }),
        _ => return Err("the target is none, key NAME, reply NAME, forged NAME or matching WORDS".into()),
    };
    let about = |verdict: Verdict| match &target {
        Some(target) => verdict.on(target.clone()),
        None => verdict,
    };
    let verdicts: Result<Verdicts, Refusal> =
        wanted.split(';').map(|wanted| what::verdict(wanted.trim(), None).map(about)).collect();
    Ok(reply("as you say").with(verdicts?))
}

fn named(name: &str, remembered: &BTreeMap<String, Named>) -> Result<Named, Refusal> {
    remembered.get(name).copied().ok_or_else(|| format!("no flow is remembered as {name}").into())
}

/// A filter from words: `v4`, `v6`, and pairs of a name and a value. The names are `protocol`, `zone`, `src`, `dst`,
/// `reply-src`, `reply-dst`, `either` (networks), `set` (its name), `sport`, `dport`, `mark`, `label`.
pub(crate) fn filter(words: &[&str]) -> Result<Filter, Refusal> {
    let mut filter = Filter::new();
    let mut words = words.iter().copied();
    while let Some(name) = words.next() {
        filter = match name {
            "v4" => filter.family(Family::Ipv4),
            "v6" => filter.family(Family::Ipv6),
            name => {
                let value = words.next().ok_or("a name lacks its value")?;
                pair(filter, name, value)?
            }
        };
    }
    Ok(filter)
}

fn pair(filter: Filter, name: &str, value: &str) -> Result<Filter, Refusal> {
    Ok(match name {
        "protocol" => filter.protocol(value.parse()?),
        "zone" => filter.zone(value.parse()?),
        "src" => filter.from(value.parse::<Prefix>()?),
        "dst" => filter.to(value.parse::<Prefix>()?),
        "reply-src" => filter.reply_from(value.parse::<Prefix>()?),
        "reply-dst" => filter.reply_to(value.parse::<Prefix>()?),
        "either" => filter.either(value.parse::<Prefix>()?),
        "set" => filter.in_set(value),
        "sport" => filter.src_port(value.parse::<Ports>()?),
        "dport" => filter.dst_port(value.parse::<Ports>()?),
        "mark" => filter.mark(value.parse::<Masked>()?),
        "label" => filter.label(value.parse()?),
        other => return Err(format!("nothing is called {other}").into()),
    })
}
