//! A policy without an opinion: it returns the verdicts that its configuration and its messages spell out.
//!
//! The end-to-end tests need each verdict in each form at a moment of their choosing; with this they can write it down where
//! they use it.
//!
//! A rule is `WHEN: WHAT; WHAT …`. WHEN is words that all have to hold of an entry: its kind (`new`, `update`, `destroy`,
//! `row`), `ours` (this host's verdict caused it), a protocol, a port of the original direction; or one of `overrun`,
//! `sweep-begin`, `sweep-complete`, `sweep-interrupted`, `set-changed`, `tick`, which are about no entry. WHAT is in
//! `what.rs`, a message is in `message.rs`.

mod message;
mod named;
mod rule;
mod what;

use std::collections::BTreeMap;
use std::time::Duration;

use ctwarden_sdk::prelude::*;
use serde::Deserialize;

use crate::named::Named;
use crate::rule::Rule;

/// What it does.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Script {
    /// Rules, each `WHEN: WHAT; WHAT`.
    rules: Vec<String>,
    /// Only entries that this selects, in the words of a message's target.
    only: Option<String>,
    /// Seconds between sweeps.
    sweep_every: u64,
    /// Milliseconds between ticks.
    tick_every: u64,
    /// Whether changes that this host's own verdicts made come back.
    own_changes: bool,
    /// Sets whose change is told.
    sets: Vec<String>,
    /// Kinds of verdicts that it needs; all of them where nothing is written.
    needs: Option<Vec<String>>,
    /// Mark bits that it says its verdicts change.
    mark_bits: u32,
    /// Label bits likewise.
    label_bits: Vec<u8>,
    /// nftables sets that it says its verdicts name.
    block_sets: Vec<String>,
    /// Address sets that it says it looks into, beside those whose change is told.
    read_sets: Vec<String>,
    /// Whether it says a word at its end.
    farewell: bool,
}

/// The policy.
#[derive(Debug)]
pub struct Scripted {
    rules: Vec<Rule>,
    subscription: Subscription,
    /// Flows that `remember` named.
    remembered: BTreeMap<String, Named>,
    farewell: bool,
}

impl Policy for Scripted {
    type Config = Script;
    const WANTS: &'static [VerdictKind] = &[
        VerdictKind::Delete,
        VerdictKind::Mark,
        VerdictKind::Labels,
        VerdictKind::Timeout,
        VerdictKind::Alert,
        VerdictKind::Log,
        VerdictKind::Block,
        VerdictKind::Unblock,
        VerdictKind::Protect,
        VerdictKind::Sweep,
    ];

    fn configure(script: Script, _: Timestamp) -> Result<Self, Refusal> {
        let rules = script.rules.iter().map(|rule| rule.parse().map_err(|e: Refusal| e.about(rule)));
        let mut subscription = Subscription::to(&[Kind::New, Kind::Update, Kind::Destroy, Kind::Row])
            .sweep_every(Duration::from_secs(script.sweep_every))
            .tick_every(Duration::from_millis(script.tick_every));
        if let Some(words) = &script.only {
            subscription = subscription.only(message::filter(&words.split_whitespace().collect::<Vec<_>>())?);
        }
        if script.own_changes {
            subscription = subscription.own_changes();
        }
        let subscription = script.sets.into_iter().fold(subscription, Subscription::set);
        let subscription = script.block_sets.into_iter().fold(subscription, Subscription::blocks_in);
        let subscription = script.read_sets.into_iter().fold(subscription, Subscription::reads);
        let mut subscription = subscription.changes_mark(script.mark_bits).changes_labels(script.label_bits);
        if let Some(names) = &script.needs {
            let kind = |name: &String| Self::WANTS.iter().copied().find(|kind| kind.name() == name);
            subscription = subscription.needs(names.iter().filter_map(kind));
        }
        let (rules, remembered) = (rules.collect::<Result<_, _>>()?, BTreeMap::new());
        Ok(Self { rules, subscription, remembered, farewell: script.farewell })
    }

    fn subscription(&self) -> Subscription {
        self.subscription.clone()
    }

    fn judge(&mut self, flow: &Flow<'_>) -> Verdicts {
        let mut verdicts = Verdicts::none();
        for rule in self.rules.iter().filter(|rule| rule.holds(flow)) {
            if let Some(name) = rule.name_of(flow) {
                self.remembered.insert(name, Named::of(flow));
            }
            std::thread::sleep(rule.sleep);
            verdicts.extend(rule.verdicts(Some(flow)));
        }
        verdicts
    }

    fn sweep_begin(&mut self, _: Extent, _: Timestamp) -> Verdicts {
        self.turn("sweep-begin")
    }

    fn sweep_end(&mut self, complete: bool, _: Timestamp) -> Verdicts {
        self.turn(if complete { "sweep-complete" } else { "sweep-interrupted" })
    }

    fn overrun(&mut self, _: u64, _: Timestamp) -> Verdicts {
        self.turn("overrun")
    }

    fn sets_changed(&mut self, sets: &[String], _: Timestamp) -> Verdicts {
        println!("changed: {}", sets.join(" "));
        self.turn("set-changed")
    }

    fn tick(&mut self, _: Timestamp) -> Verdicts {
        self.turn("tick")
    }

    fn message(&mut self, text: &str, _: Timestamp) -> Result<Reply, Refusal> {
        message::answer(text, &self.remembered)
    }

    fn stop(&mut self) {
        if self.farewell {
            println!("stopped in order");
        }
    }
}

impl Scripted {
    /// Verdicts of the rules for a turn that is about no entry.
    fn turn(&self, name: &str) -> Verdicts {
        self.rules.iter().filter(|rule| rule.is_turn(name)).flat_map(|rule| rule.verdicts(None)).collect()
    }
}

export!(Scripted);
