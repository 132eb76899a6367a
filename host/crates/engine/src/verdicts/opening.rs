//! The answer of a plugin. Each verdict is opened and checked, then settled at once or handed to the merge.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use ctwarden_model::{Action, Mode, Outcome, PluginName, Refusal, Timestamp, Verdict};

use crate::PluginId;
use crate::ids::VerdictId;
use crate::verdicts::Verdicts;
use crate::verdicts::accounts::PLUGIN_GONE;
use crate::verdicts::call_context::CallContext;
use crate::verdicts::claim::{Candidate, Change, Subject};
use crate::verdicts::guard::{self, Allowed};
use crate::verdicts::open_verdicts::OpenVerdict;
use crate::verdicts::resolved_target::ResolvedTarget;
use crate::verdicts::selection_progress::SelectionProgress;
use crate::verdicts::sight::Named;

/// The answer of a plugin to one call.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) plugin: PluginId,
    pub(crate) context: CallContext,
    /// When the plugin received the call.
    pub(crate) delivered: Timestamp,
    pub(crate) verdicts: Vec<Verdict>,
    /// The reply to a message, or the reason why the plugin refuses the message.
    pub(crate) reply: Result<String, String>,
}

/// The next step of a verdict.
enum Disposition {
    /// The verdict takes part in the merge.
    Merge(Allowed, Subject),
    /// The verdict requests rows of the next sweep.
    AskForRows,
    /// The verdict has ended.
    Over(Outcome),
}

/// The verdicts of one call that need a further step.
struct OpenedVerdicts {
    candidates: Vec<Candidate>,
    /// Verdicts that request rows.
    asking: Vec<VerdictId>,
}

impl Verdicts {
    /// Opens, checks and settles the verdicts of an answer. Returns the verdicts that request rows of the next sweep.
    pub(crate) fn judge(&mut self, said: Said) -> Vec<VerdictId> {
        let Said { plugin, context, delivered, verdicts, reply } = said;
        let mut batch = Named::of(&context, delivered);
        let mut opened = OpenedVerdicts { candidates: Vec::with_capacity(verdicts.len()), asking: Vec::new() };
        for verdict in verdicts {
            self.open_verdict(plugin, &mut batch, verdict, &mut opened);
        }
        let OpenedVerdicts { candidates, asking } = opened;
        match context.round() {
            Some(round) => {
                let (now, window) = (self.clock.steady, self.config.merge_window);
                if let Some(answers) = self.rounds.answered(round, plugin, candidates, now, window) {
                    self.merge(Some(round), answers);
                }
                self.rounds.settled(round, plugin);
            }
            None if candidates.is_empty() => {}
            None => self.merge(None, Vec::from([candidates])),
        }
        if let Some(ticket) = context.ticket() {
            let until = self.clock.steady.plus(self.config.bounds.message_wait);
            self.replies.answered(ticket, reply, until, self.config.bounds.reply_bytes);
        }
        asking
    }

    /// Ends the verdicts of a plugin that a reload replaced while the plugin computed.
    pub(crate) fn refuse(&mut self, said: Said, name: &PluginName, mode: Mode) {
        let Said { plugin, context, delivered, verdicts, reply: _ } = said;
        for verdict in verdicts {
            let mut open = OpenVerdict::new(plugin, name.clone(), mode, verdict, self.clock);
            let mut batch = Named::of(&context, delivered);
            open.record.flow = self.resolve(plugin, &mut batch, &open.record.verdict.target).flow();
            let id = self.open.insert(open);
            self.finish(id, PLUGIN_GONE);
        }
        if let Some(ticket) = context.ticket() {
            self.replies.failed(ticket, alloc::format!("plugin {name} was replaced before it answered; send it again"));
        }
    }

    /// Opens a verdict. A verdict that needs no merge ends at once or requests rows. Any other verdict becomes a
    /// candidate.
    fn open_verdict(&mut self, id: PluginId, batch: &mut Named<'_>, verdict: Verdict, opened: &mut OpenedVerdicts) {
        let Some(account) = self.guard.account(id) else { return };
        let mut open =
            OpenVerdict::new(id, account.name().clone(), account.mode(self.clock.steady), verdict, self.clock);
        let verdict = &open.record.verdict;
        let checked = guard::check(account.spec(), verdict);
        let target = self.resolve(id, batch, &verdict.target);
        let flow = target.flow();
        let disposition = match checked {
            Ok(allowed) => self.dispose(id, allowed, &verdict.action, target),
            Err(outcome) => Disposition::Over(outcome),
        };
        let ticket = batch.context().ticket();
        open.record.flow = flow;
        open.ticket = ticket;
        open.answers_event = batch.context().is_of_events();
        match &disposition {
            Disposition::Merge(allowed, Subject::Selection) => {
                open.selection = Some(Box::new(SelectionProgress::new(*allowed)));
                open.awaits_sweep = true;
            }
            Disposition::AskForRows => open.awaits_sweep = true,
            Disposition::Merge(_, Subject::Flow { .. } | Subject::Expectation(_) | Subject::Network)
            | Disposition::Over(_) => {}
        }
        let bytes = open.bytes;
        let verdict = self.open.insert(open);
        if let Some(account) = self.guard.account_mut(id) {
            account.opened(bytes);
        }
        if let Some(ticket) = ticket {
            self.replies.verdict_opened(ticket);
        }
        match disposition {
            Disposition::Merge(allowed, subject) => {
                opened.candidates.push(Candidate { verdict, plugin: id, allowed, subject });
            }
            Disposition::AskForRows => opened.asking.push(verdict),
            Disposition::Over(outcome) => self.finish(verdict, outcome),
        }
    }

    /// Determines the next step of a granted verdict.
    fn dispose(&mut self, id: PluginId, allowed: Allowed, action: &Action, target: ResolvedTarget) -> Disposition {
        let now = self.clock.steady;
        let Some(account) = self.guard.account_mut(id) else { return Disposition::Over(PLUGIN_GONE) };
        let wrong = Disposition::Over(Outcome::Refused(Refusal::WrongTarget));
        let subject = match (action, target) {
            (_, ResolvedTarget::Missing) => return Disposition::Over(Outcome::Refused(Refusal::NoSuchEntry)),
            (Action::Alert(alert), _) => {
                let (window, keys) = (self.config.alert_window, self.config.bounds.alert_keys);
                let hidden = account.admit_alert(alert, window, keys, now);
                return Disposition::Over(hidden.unwrap_or_else(|| done(account.mode(now))));
            }
            (Action::Log(_), _) => return Disposition::Over(done(account.mode(now))),
            (Action::Block(_) | Action::Unblock(_), _) => Subject::Network,
            (Action::Sweep, _) => {
                return account.await_sweep().map_or_else(Disposition::Over, |()| Disposition::AskForRows);
            }
            (Action::Delete, ResolvedTarget::Expectation(expected)) => Subject::Expectation(expected),
            (_, ResolvedTarget::Expectation(_) | ResolvedTarget::Nothing) => return wrong,
            (_, ResolvedTarget::Selection) => match account.await_sweep() {
                Ok(()) => Subject::Selection,
                Err(outcome) => return Disposition::Over(outcome),
            },
            (action, ResolvedTarget::Flow { key, sight, gone, ended }) => match Change::of(action) {
                Some(change) => Subject::Flow { key, sight, gone, ended, change },
                None => return wrong,
            },
        };
        Disposition::Merge(allowed, subject)
    }
}

/// The outcome of a verdict that is carried out without the kernel.
pub(crate) const fn done(mode: Mode) -> Outcome {
    match mode {
        Mode::Observe => Outcome::Observed,
        Mode::Enforce => Outcome::Applied,
    }
}
