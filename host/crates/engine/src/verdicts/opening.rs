//! What a plugin answered: each verdict is opened, checked, and settled at once or handed to the merge.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use ctwarden_model::{Action, Notice, Outcome, PluginName, Refusal, Timestamp, Verdict};

use crate::engine::Engine;
use crate::intake::delivery::{About, Outstanding};
use crate::intake::sweeps::done;
use crate::verdicts::guard::{self, Allowed};
use crate::verdicts::merge::{Candidate, Change, Subject};
use crate::verdicts::open_verdicts::Open;
use crate::verdicts::resolved_target::Aim;
use crate::verdicts::selection::Run;
use crate::verdicts::sight::Named;
use crate::{Answer, CallId, PluginId};

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
        let Outstanding { plugin, about, delivered, .. } = outstanding;
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
            Answer::Verdicts(verdicts) => self.judged(plugin, &about, delivered, verdicts, Ok(String::new())),
            Answer::Reply(reply) => self.judged(plugin, &about, delivered, reply.verdicts, Ok(reply.text)),
            Answer::MessageRefused(why) => self.judged(plugin, &about, delivered, Vec::new(), Err(why)),
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
            let Outstanding { plugin, name, mode, about, delivered } = outstanding;
            let mut open = Open::new(*plugin, name.clone(), *mode, verdict, self.clock);
            open.record.flow = self.aim(*plugin, &mut Named::of(about, *delivered), &open.record.verdict.target).flow();
            let id = self.audit.open(open);
            self.finish(id, Outcome::Refused(Refusal::PluginGone));
        }
        if let Some(ticket) = outstanding.about.ticket() {
            let why = alloc::format!("plugin {} was replaced before it answered; send it again", outstanding.name);
            self.messages.failed(ticket, why);
        }
    }

    fn judged(
        &mut self,
        plugin: PluginId,
        about: &About,
        delivered: Timestamp,
        verdicts: Vec<Verdict>,
        result: Result<String, String>,
    ) {
        let mut batch = Named::of(about, delivered);
        let mut candidates = Vec::with_capacity(verdicts.len());
        for verdict in verdicts {
            self.open_verdict(plugin, &mut batch, verdict, &mut candidates);
        }
        match about.round() {
            Some(round) => {
                let (now, window) = (self.clock.steady, self.config.merge_window);
                if let Some(answers) = self.rounds.answered(round, plugin, candidates, now, window) {
                    self.arbitrate(Some(round), answers);
                }
                self.rounds.settled(round, plugin);
            }
            None if candidates.is_empty() => {}
            None => self.arbitrate(None, Vec::from([candidates])),
        }
        if let Some(ticket) = about.ticket() {
            let until = self.clock.steady.plus(self.config.message_wait);
            self.messages.answered(ticket, result, until, self.config.reply_bytes);
        }
    }

    /// Opens a verdict; what needs no merge is settled at once or waits for a sweep, the rest becomes a candidate.
    fn open_verdict(&mut self, id: PluginId, batch: &mut Named<'_>, verdict: Verdict, candidates: &mut Vec<Candidate>) {
        let Some(plugin) = self.plugins.get(id) else { return };
        let mut open = Open::new(id, plugin.spec.name.clone(), plugin.mode(self.clock.steady), verdict, self.clock);
        let verdict = &open.record.verdict;
        let checked = guard::check(&plugin.spec, verdict);
        let aim = self.aim(id, batch, &verdict.target);
        let flow = aim.flow();
        let way = checked.and_then(|allowed| self.way(id, allowed, &verdict.action, aim));
        let ticket = batch.about().ticket();
        open.record.flow = flow;
        open.ticket = ticket;
        open.answers_event = batch.about().is_of_events();
        match &way {
            Ok(Way::Merge(allowed, Subject::Selection)) => {
                open.run = Some(Box::new(Run::new(*allowed)));
                open.awaits_sweep = true;
            }
            Ok(Way::Ask) => open.awaits_sweep = true,
            Ok(Way::Merge(_, Subject::Flow { .. } | Subject::Expectation(_) | Subject::Network)) | Err(_) => {}
        }
        let bytes = open.bytes;
        let verdict = self.audit.open(open);
        if let Some(plugin) = self.plugins.get_mut(id) {
            plugin.open_bytes = plugin.open_bytes.saturating_add(bytes);
        }
        if let Some(ticket) = ticket {
            self.messages.verdict_opened(ticket);
        }
        match way {
            Ok(Way::Merge(allowed, subject)) => candidates.push(Candidate { verdict, plugin: id, allowed, subject }),
            Ok(Way::Ask) => {
                if let Some(plugin) = self.plugins.get_mut(id) {
                    plugin.asked.push(verdict);
                }
            }
            Err(outcome) => self.finish(verdict, outcome),
        }
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
            (Action::Delete, Aim::Expectation(expected)) => Subject::Expectation(expected),
            (_, Aim::Expectation(_) | Aim::Nothing) => return Err(Outcome::Refused(Refusal::WrongTarget)),
            (_, Aim::Selection) => {
                self.count_awaiting(id)?;
                Subject::Selection
            }
            (action, Aim::Flow { key, sight, gone, ended }) => {
                let change = Change::of(action).ok_or(Outcome::Refused(Refusal::WrongTarget))?;
                Subject::Flow { key, sight, gone, ended, change }
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

    /// A plugin is free: what was collected meanwhile goes to it, and if it missed entries and has nothing left to do, it is
    /// time to sweep for it.
    fn catch_up(&mut self, id: PluginId) {
        if self.plugins.get(id).is_some_and(crate::intake::roster::Plugin::is_idle) {
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
