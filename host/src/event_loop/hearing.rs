//! Whether the loop receives the events of every flow, and whether the kernel tracks flows at all, on this machine now.
//!
//! A thread checks everything every few seconds. Two causes of silence are checked again before each query of the
//! replica: the switch of events, and nftables' notifications, which report each loaded rule. An answer of the replica
//! therefore depends on no rule that was loaded before the question. Two causes go unnoticed: a switch that was off
//! between two checks of [`super::HEALTH_CHECK`], and rules of iptables-legacy, which cause no notification.

use std::io;

use ctwarden_engine::Tracked;
use ctwarden_model::{Notice, Steady};
use ctwarden_reader::{RuleLooks, RuleNotice};

use super::EventLoop;
use crate::clock;
use crate::control::Warning;
use crate::doctor::{EventSwitch, RuleChanges, RuleNews, SenseWatch, Senses};

/// The results of the latest checks, and the means to repeat them.
pub(super) struct Hearing {
    senses: Senses,
    switch: EventSwitch,
    watch: SenseWatch,
    /// `None` if the kernel does not let this process listen. Then only the thread's checks report changes.
    changes: Option<RuleChanges>,
    looks: RuleLooks,
}

impl Hearing {
    /// Subscribes to rule changes, then checks for the first time. Call it before the event socket listens, because it
    /// may make a connection of its own.
    pub(super) fn begin(now: Steady) -> io::Result<Self> {
        let changes = RuleChanges::listen().ok();
        let senses = Senses::look(None);
        let watch = SenseWatch::start(senses.clone())?;
        Ok(Self { senses, switch: EventSwitch::default(), watch, changes, looks: RuleLooks::new(now) })
    }

    /// Repeats the checks that take little time: the switch of events and the rule changes.
    pub(super) fn refresh(&mut self, now: Steady) {
        self.senses.set_switch(self.switch.read());
        let Some(changes) = &mut self.changes else { return };
        // Treat unreadable notifications as a change of everything.
        let RuleNews { changed, mutes, more } =
            changes.read().unwrap_or(RuleNews { changed: true, mutes: true, more: false });
        let notice = RuleNotice { is_changed: changed, may_mute: mutes, has_more: more };
        if let Some(look) = self.looks.handle_notice(notice, now) {
            self.watch.ask(look);
        }
    }

    /// Takes over the thread's result.
    pub(super) fn take(&mut self, (number, senses): (u64, Senses)) {
        self.looks.handle_look(number);
        self.senses = senses;
    }

    /// The thread's next result. `None` if the thread has died.
    pub(super) async fn looked(&mut self) -> Option<(u64, Senses)> {
        self.watch.seen().await
    }

    /// The time until which questions about flows should wait: rules have changed and no check has run since, or more
    /// notifications are pending than were read. `None` if nothing delays them.
    pub(super) fn settles_at(&self, now: Steady) -> Option<Steady> {
        self.looks.settles_at(now)
    }

    /// Whether every flow that begins or ends causes an event.
    pub(super) fn hears_every_flow(&self) -> bool {
        self.senses.hears_every_flow() && !self.looks.may_be_muted()
    }

    /// The families in which the kernel tracks connections.
    pub(super) fn tracked(&self) -> Tracked {
        self.senses.tracked()
    }

    /// Conditions that keep policies from working.
    pub(super) fn warnings(&self) -> Vec<Warning> {
        self.senses.warnings()
    }
}

impl EventLoop {
    /// Checks what the machine allows the loop to receive, acts on changes and reports them.
    pub(super) fn sense(&mut self, now: Steady) {
        self.listen_again(now);
        let mut warnings = self.hearing.warnings();
        if self.reader.replica().is_some() {
            let is_full = self.reader.is_replica_over_limit();
            warnings.extend(self.allowance.warning(self.maximum, self.entries, is_full));
        }
        if warnings == self.warnings {
            return;
        }
        let before = std::mem::replace(&mut self.warnings, warnings);
        for over in before.iter().filter(|was| self.warnings.iter().all(|warning| warning.about != was.about)) {
            crate::log::say(&format!("resolved: {over}"));
            self.write(Notice::WarningOver(over.about.clone()));
        }
        for warning in self.warnings.iter().filter(|warning| !before.contains(warning)) {
            crate::log::say(&format!("warning: {warning}"));
            self.write(Notice::Warned { about: warning.about.clone(), text: warning.text.clone() });
        }
    }

    /// The part of `sense` that questions about flows depend on.
    fn listen_again(&mut self, now: Steady) {
        self.hearing.refresh(now);
        self.reader.handle_hearing(self.hearing.hears_every_flow(), now);
        self.engine.handle_tracked(self.hearing.tracked());
    }

    /// Checks again before a search for flows. Returns whether rules have changed whose effect is not yet known. The
    /// question then waits, but not long.
    pub(super) fn senses_late(&mut self) -> bool {
        let now = clock::now().steady;
        self.listen_again(now);
        self.hearing.settles_at(now).is_some()
    }
}
