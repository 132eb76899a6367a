//! What a plugin answered: each verdict is opened, checked, and settled at once or handed to the merge.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use ctwarden_model::{
    Action, Cause, EventKind, Expectation, ExpectationKey, FlowKey, Notice, Outcome, PluginName, Refusal, Target,
    Verdict,
};

use crate::arbitrate::{Candidate, Change, Subject};
use crate::delivery::{About, Outstanding};
use crate::engine::Engine;
use crate::guard::{self, Allowed};
use crate::open::Open;
use crate::protect::{Held, Known};
use crate::selection::Run;
use crate::sweep::done;
use crate::{Answer, CallId, PluginId};

/// What the target of a verdict turned out to be.
enum Aim {
    /// One flow.
    Flow { key: FlowKey, protected: Held, gone: bool },
    /// One expectation of the batch.
    Expectation { key: ExpectationKey, protected: bool },
    /// Every flow that matches.
    Selection,
    /// Nothing.
    Nothing,
    /// Its entry is not there.
    Missing,
}

impl Aim {
    /// The one flow.
    const fn flow(&self) -> Option<FlowKey> {
        match self {
            Self::Flow { key, .. } => Some(*key),
            Self::Expectation { .. } | Self::Selection | Self::Nothing | Self::Missing => None,
        }
    }
}

/// What becomes of a granted verdict that is not settled at once.
enum Way {
    /// It is merged with others.
    Merge(Allowed, Subject),
    /// It asks for rows of the next sweep.
    Ask,
}

impl Engine {
    pub(crate) fn answered(&mut self, call: CallId, answer: Answer) {
        let Some(outstanding) = self.calls.remove(&call) else { return };
        let known = self.plugins.get_mut(outstanding.plugin).map(|plugin| plugin.outstanding = None);
        if known.is_none() || self.finished {
            self.answered_too_late(&outstanding, answer);
            return;
        }
        let Outstanding { plugin, about, .. } = outstanding;
        match answer {
            Answer::Fault(fault) => {
                if let Some(ticket) = about.ticket() {
                    self.messages.failed(ticket, fault.to_string());
                }
                if let Some(round) = about.round() {
                    self.give_up(round, plugin);
                }
                self.fail(plugin, fault, about.entries());
            }
            Answer::Verdicts(verdicts) => self.judged(plugin, &about, verdicts, Ok(String::new())),
            Answer::Reply(reply) => self.judged(plugin, &about, reply.verdicts, Ok(reply.text)),
            Answer::MessageRefused(why) => self.judged(plugin, &about, Vec::new(), Err(why)),
        }
        self.catch_up(plugin);
    }

    /// The plugin was swapped out while it computed.
    fn answered_too_late(&mut self, outstanding: &Outstanding, answer: Answer) {
        let verdicts = match answer {
            Answer::Verdicts(verdicts) => verdicts,
            Answer::Reply(reply) => reply.verdicts,
            Answer::MessageRefused(_) | Answer::Fault(_) => Vec::new(),
        };
        for verdict in verdicts {
            let Outstanding { plugin, name, mode, about } = outstanding;
            let mut open = Open::new(*plugin, name.clone(), *mode, verdict, self.clock);
            open.record.flow = self.aim(about, &open.record.verdict.target).flow();
            let id = self.audit.open(open);
            self.finish(id, Outcome::Refused(Refusal::PluginGone));
        }
        if let Some(ticket) = outstanding.about.ticket() {
            let why = alloc::format!("plugin {} was replaced before it answered; send it again", outstanding.name);
            self.messages.failed(ticket, why);
        }
    }

    fn judged(&mut self, plugin: PluginId, about: &About, verdicts: Vec<Verdict>, result: Result<String, String>) {
        let candidates: Vec<Candidate> =
            verdicts.into_iter().filter_map(|verdict| self.open_verdict(plugin, about, verdict)).collect();
        match about.round() {
            Some(round) => {
                let (now, window) = (self.clock.steady, self.config.merge_window);
                if let Some(candidates) = self.rounds.answered(round, plugin, candidates, now, window) {
                    self.arbitrate(Some(round), candidates);
                }
                self.rounds.settled(round, plugin);
            }
            None if candidates.is_empty() => {}
            None => self.arbitrate(None, candidates),
        }
        if let Some(ticket) = about.ticket() {
            self.messages.answered(ticket, result, self.clock.steady.plus(self.config.message_wait));
        }
    }

    /// Opens a verdict; what needs no merge is settled at once or waits for a sweep, the rest is returned.
    fn open_verdict(&mut self, id: PluginId, about: &About, verdict: Verdict) -> Option<Candidate> {
        let plugin = self.plugins.get(id)?;
        let mut open = Open::new(id, plugin.spec.name.clone(), plugin.mode(self.clock.steady), verdict, self.clock);
        let verdict = &open.record.verdict;
        let checked = guard::check(&plugin.spec, &self.config, verdict);
        let aim = self.aim(about, &verdict.target);
        let flow = aim.flow();
        let way = checked.and_then(|allowed| self.way(id, allowed, &verdict.action, aim));
        let ticket = about.ticket();
        open.record.flow = flow;
        open.ticket = ticket;
        match &way {
            Ok(Way::Merge(allowed, Subject::Selection)) => {
                open.run = Some(Box::new(Run::new(*allowed)));
                open.awaits_sweep = true;
            }
            Ok(Way::Ask) => open.awaits_sweep = true,
            Ok(Way::Merge(_, Subject::Flow { .. } | Subject::Expectation { .. } | Subject::Network)) | Err(_) => {}
        }
        let verdict = self.audit.open(open);
        if let Some(ticket) = ticket {
            self.messages.verdict_opened(ticket);
        }
        match way {
            Ok(Way::Merge(allowed, subject)) => return Some(Candidate { verdict, plugin: id, allowed, subject }),
            Ok(Way::Ask) => {
                if let Some(plugin) = self.plugins.get_mut(id) {
                    plugin.asked.push(verdict);
                }
            }
            Err(outcome) => self.finish(verdict, outcome),
        }
        None
    }

    /// Where a granted verdict goes; the outcome where it is settled.
    fn way(&mut self, id: PluginId, allowed: Allowed, action: &Action, aim: Aim) -> Result<Way, Outcome> {
        let subject = match (action, aim) {
            (_, Aim::Missing) => return Err(Outcome::Refused(Refusal::NoSuchEntry)),
            (Action::Alert(alert), _) => {
                let (now, window, keys) = (self.clock.steady, self.config.alert_window, self.config.alert_keys);
                let plugin = self.plugins.get_mut(id).ok_or(Outcome::Refused(Refusal::PluginGone))?;
                let shown = plugin.alerts.admit(alert, &plugin.spec.limits, window, keys, now);
                return Err(shown.unwrap_or_else(|| done(plugin.mode(now))));
            }
            (Action::Log(_), _) => {
                let mode = self.plugins.get(id).map(|plugin| plugin.mode(self.clock.steady));
                return Err(mode.map_or(Outcome::Refused(Refusal::PluginGone), done));
            }
            (Action::Block(_) | Action::Unblock(_), _) => Subject::Network,
            (Action::Sweep, _) => {
                self.count_awaiting(id)?;
                return Ok(Way::Ask);
            }
            (Action::Delete, Aim::Expectation { key, protected }) => Subject::Expectation { key, protected },
            (_, Aim::Expectation { .. } | Aim::Nothing) => return Err(Outcome::Refused(Refusal::WrongTarget)),
            (_, Aim::Selection) => {
                self.count_awaiting(id)?;
                Subject::Selection
            }
            (action, Aim::Flow { key, protected, gone }) => {
                let change = Change::of(action).ok_or(Outcome::Refused(Refusal::WrongTarget))?;
                Subject::Flow { key, protected, gone, change }
            }
        };
        Ok(Way::Merge(allowed, subject))
    }

    /// One more verdict that waits for a sweep, if the plugin may have one more.
    fn count_awaiting(&mut self, id: PluginId) -> Result<(), Outcome> {
        let plugin = self.plugins.get_mut(id).ok_or(Outcome::Refused(Refusal::PluginGone))?;
        if plugin.awaiting_sweep >= plugin.spec.limits.selections {
            return Err(Outcome::OverBudget);
        }
        plugin.awaiting_sweep += 1;
        Ok(())
    }

    fn aim(&self, about: &About, target: &Target) -> Aim {
        match target {
            Target::None => Aim::Nothing,
            Target::Matching(_) => Aim::Selection,
            Target::Key(key) => Aim::Flow { key: *key, protected: self.protected.holds(Known::Key(key)), gone: false },
            Target::Entry(index) => match about {
                About::Entries { cause, entries, .. } => match entries.get(*index) {
                    None => Aim::Missing,
                    Some(event) => {
                        let known = match cause {
                            Cause::SweepRows => Known::Whole(&event.flow),
                            Cause::Events
                            | Cause::SweepBegin(_)
                            | Cause::SweepComplete
                            | Cause::SweepInterrupted
                            | Cause::Gap
                            | Cause::SetsChanged(_) => Known::Event(&event.flow),
                        };
                        let gone = event.kind == EventKind::Destroy;
                        Aim::Flow { key: event.flow.key(), protected: self.protected.holds(known), gone }
                    }
                },
                About::Expectations { events, .. } => {
                    let place = usize::try_from(*index).ok();
                    place
                        .and_then(|place| events.get(place))
                        .map_or(Aim::Missing, |event| self.aim_at(&event.expectation))
                }
                About::Nothing | About::Message(_) => Aim::Missing,
            },
        }
    }

    /// An expectation counts as protected where its master or the expected flow is sure to be; its other properties are not
    /// a flow's, and not knowing them does not hold it.
    fn aim_at(&self, expectation: &Expectation) -> Aim {
        let key = expectation.key();
        let is_protected = |original| {
            let flow = FlowKey { id: key.id, zone: key.zone, original };
            self.protected.holds(Known::Key(&flow)).is_sure()
        };
        let protected = is_protected(expectation.master) || is_protected(expectation.tuple);
        Aim::Expectation { key, protected }
    }

    /// A plugin is free: what was collected meanwhile goes to it, and if it missed entries and has nothing left to do, it is
    /// time to sweep for it.
    fn catch_up(&mut self, id: PluginId) {
        if self.plugins.get(id).is_some_and(crate::plugin::Plugin::is_idle) {
            self.flush_to_idle();
        }
        if let Some(plugin) = self.plugins.get_mut(id)
            && plugin.is_idle()
            && plugin.is_behind
        {
            plugin.is_behind = false;
            plugin.wants_sweep |= plugin.spec.subscription.kinds.row;
        }
    }

    /// Tells of dropped entries, at most once a second for each plugin.
    pub(crate) fn notice_missed(&mut self) {
        let now = self.clock;
        let mut notices: Vec<(PluginName, u64)> = Vec::new();
        for plugin in self.plugins.iter_mut() {
            if plugin.missed_notice_due().is_some_and(|due| due <= now.steady) {
                plugin.noticed = Some(now.steady);
                notices.push((plugin.spec.name.clone(), core::mem::take(&mut plugin.unnoticed)));
            }
        }
        for (name, entries) in notices {
            self.audit.notice(now.wall, Notice::Missed(name, entries));
        }
    }
}
