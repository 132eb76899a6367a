//! A policy without rules of its own: it returns the verdicts that its configuration and its messages spell out.
//!
//! The end-to-end tests need each verdict in each form at a moment of their choice. With this policy, a test spells out
//! the verdict where it uses it.
//!
//! A rule is `WHEN: WHAT; WHAT …`. WHEN is words that must all hold for an entry: its kind (`new`, `update`, `destroy`,
//! `row`), `ours` (a verdict of this host caused it), a protocol, a port of the original direction. Or WHEN is one of
//! `overrun`, `sweep-begin`, `sweep-complete`, `sweep-interrupted`, `set-changed`, `tick`, which concern no entry.
//! `what.rs` describes WHAT, `message.rs` describes messages.

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

/// The configuration of the policy.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Script {
    /// Rules, each `WHEN: WHAT; WHAT`.
    rules: Vec<String>,
    /// Deliver only entries that this selects, in the words of a message's target.
    only: Option<String>,
    /// Period of the requested sweeps, in seconds.
    sweep_every: u64,
    /// Period of the requested ticks, in milliseconds.
    tick_every: u64,
    /// Whether to deliver changes that this host's own verdicts caused.
    own_changes: bool,
    /// Sets whose changes are reported.
    sets: Vec<String>,
    /// Kinds of verdicts that the policy needs. Without this key, all of them.
    needs: Option<Vec<String>>,
    /// Mark bits that the policy declares to change.
    mark_bits: u32,
    /// Label bits that the policy declares to change.
    label_bits: Vec<u8>,
    /// nftables sets that the policy declares to block in.
    block_sets: Vec<String>,
    /// Address sets that the policy declares to read, in addition to `sets`.
    read_sets: Vec<String>,
    /// Whether to write a line at the end.
    farewell: bool,
}

/// A policy that follows its script.
#[derive(Debug)]
pub struct Scripted {
    rules: Vec<Rule>,
    subscription: Subscription,
    /// The flows that `remember` named.
    remembered: BTreeMap<String, Named>,
    farewell: bool,
}

impl Policy for Scripted {
    type Config = Script;
    const WANTS: &'static [VerdictKind] = &[
        VerdictKind::Delete,
        VerdictKind::Kill,
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

    fn sets_changed(&mut self, changes: &[SetChange], _: Timestamp) -> Verdicts {
        for change in changes {
            let added: String =
                change.added().iter().copied().flatten().map(|network| format!(" +{network}")).collect();
            println!("changed: {}{added}", change.set());
        }
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
    /// The verdicts of the rules for a turn that concerns no entry.
    fn turn(&self, name: &str) -> Verdicts {
        self.rules.iter().filter(|rule| rule.is_turn(name)).flat_map(|rule| rule.verdicts(None)).collect()
    }
}

export!(Scripted);
