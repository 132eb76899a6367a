//! Whether the loop hears of every flow, and sees flows at all: what the machine lets it, now.
//!
//! A thread looks at everything every few seconds. What can silence a flow in between is looked at before the replica is
//! asked: the switch of events, and nftables' notifications, which tell of each rule that was loaded. So an answer of the replica
//! rests on no rule that was loaded before the question. What is not noticed: a switch that was off between two looks of
//! [`super::HEALTH_CHECK`], and rules of iptables-legacy, which nothing tells of.

use std::io;

use ctwarden_engine::Tracked;
use ctwarden_model::{Notice, Steady};
use ctwarden_reader::{RuleLooks, RuleNotice};

use super::EventLoop;
use crate::clock;
use crate::control::Warning;
use crate::doctor::{EventSwitch, RuleChanges, SenseWatch, Senses, Told};

/// What is known of it.
pub(super) struct Hearing {
    senses: Senses,
    switch: EventSwitch,
    watch: SenseWatch,
    /// None where the kernel does not let this process listen: then only the thread's looks tell.
    changes: Option<RuleChanges>,
    looks: RuleLooks,
}

impl Hearing {
    /// Listens for changes, then looks for the first time. To be called before events are listened to: it may make a connection of its
    /// own.
    pub(super) fn begin(now: Steady) -> io::Result<Self> {
        let changes = RuleChanges::listen().ok();
        let senses = Senses::look(None);
        let watch = SenseWatch::start(senses.clone())?;
        Ok(Self { senses, switch: EventSwitch::default(), watch, changes, looks: RuleLooks::new(now) })
    }

    /// Looks at what is quick to look at.
    pub(super) fn refresh(&mut self, now: Steady) {
        self.senses.set_switch(self.switch.read());
        let Some(changes) = &mut self.changes else { return };
        // What cannot be read is looked at as a whole.
        let Told { changed, mutes, more } = changes.read().unwrap_or(Told { changed: true, mutes: true, more: false });
        let notice = RuleNotice { is_changed: changed, may_mute: mutes, has_more: more };
        if let Some(look) = self.looks.handle_notice(notice, now) {
            self.watch.ask(look);
        }
    }

    /// Takes over what the thread has seen.
    pub(super) fn take(&mut self, (number, senses): (u64, Senses)) {
        self.looks.handle_look(number);
        self.senses = senses;
    }

    /// The next look of the thread; none where it has died.
    pub(super) async fn looked(&mut self) -> Option<(u64, Senses)> {
        self.watch.seen().await
    }

    /// Until when questions about flows should wait: rules have changed and nobody has looked at them yet, or more is told than
    /// was read. None where nothing keeps them.
    pub(super) fn settles_at(&self, now: Steady) -> Option<Steady> {
        self.looks.settles_at(now)
    }

    /// Whether every flow that begins or ends says so.
    pub(super) fn hears_every_flow(&self) -> bool {
        self.senses.hears_every_flow() && !self.looks.may_be_muted()
    }

    /// In which families connections are tracked.
    pub(super) fn tracked(&self) -> Tracked {
        self.senses.tracked()
    }

    /// What keeps policies from their work.
    pub(super) fn warnings(&self) -> Vec<Warning> {
        self.senses.warnings()
    }
}

impl EventLoop {
    /// Looks at what the machine lets be heard and seen, acts on it, and tells what has changed.
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
            crate::log::say(&format!("no longer so: {over}"));
            self.write(Notice::WarningOver(over.about.clone()));
        }
        for warning in self.warnings.iter().filter(|warning| !before.contains(warning)) {
            crate::log::say(&format!("warning: {warning}"));
            self.write(Notice::Warned { about: warning.about.clone(), text: warning.text.clone() });
        }
    }

    /// The part of it that questions about flows rest on.
    fn listen_again(&mut self, now: Steady) {
        self.hearing.refresh(now);
        self.reader.handle_hearing(self.hearing.hears_every_flow(), now);
        self.engine.handle_tracked(self.hearing.tracked());
    }

    /// Looks anew before flows are looked for. Whether rules have changed of which is not known yet what they do: then the
    /// question waits, but not long.
    pub(super) fn senses_late(&mut self) -> bool {
        let now = clock::now().steady;
        self.listen_again(now);
        self.hearing.settles_at(now).is_some()
    }
}
