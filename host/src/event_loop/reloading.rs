//! Takes over a new set of plugins as a whole, or not at all.

use anyhow::{Context, Result};
use ctwarden_model::{Mode, Notice};

use super::EventLoop;
use super::missing_grants::MissingGrants;
use super::outline::Outline;
use super::steering::may_kill;
use crate::clock;
use crate::never_banned::NeverBanned;
use crate::plugins::{LoadedConfig, LoadedPlugin, ReloadId, summary};
use crate::set_file::SetWatch;

impl EventLoop {
    /// Takes over a set of plugins. The engine swaps at a batch boundary. The old plugins stop after their last call.
    pub(super) fn take(&mut self, mut prepared: LoadedConfig) -> Result<()> {
        let refused = self.go_on_with_sets(&mut prepared);
        let outline = Outline::of(&prepared);
        // Dropping the older watch discards its findings.
        let set_watch =
            SetWatch::start(prepared.set_files).context("cannot start the thread that watches set files")?;
        let now = clock::now();
        for key in self.daemon.needs_restart(&prepared.daemon) {
            crate::log::say(&format!("[daemon] {key} has changed; restart ctwarden to apply the change"));
        }
        self.read_own_addresses();
        let never = NeverBanned::new(&prepared.protected, &self.own);
        let kills_flows = |ready: &LoadedPlugin| ready.spec.mode == Mode::Enforce && may_kill(&ready.spec);
        let kills = prepared.plugins.iter().any(kills_flows);
        let mirrored = self.claiming.mirrored(prepared.mirrors, &prepared.sets);
        self.firewall.configure(mirrored, kills, never.networks()).context("cannot fill the packet filter")?;
        (self.protected, self.never) = (prepared.protected, never);
        let protects = !prepared.engine.protect.is_empty();
        if std::mem::replace(&mut self.protects, protects) && !protects {
            crate::log::say("warning: the new configuration has no [[protect]]; no flow is protected now");
        }
        self.sets = prepared.sets;
        let claimed = self.claiming.fill(&self.sets);
        self.set_watch = set_watch;
        for (name, why, counts) in refused {
            self.refuse_set(name, why, counts);
        }
        for (name, set) in self.sets.all() {
            if let Some(version) = set.version.filter(|_| set.refused.is_none()) {
                self.tell_skipped(&name, &version);
            }
        }
        crate::log::say(&format!("plugins: {}", summary(&prepared.plugins)));
        for warning in &prepared.warnings {
            crate::log::say(&format!("warning: {warning}"));
        }
        for ready in &prepared.plugins {
            for warning in &ready.warnings {
                crate::log::say(&format!("warning: plugin {}: {warning}", ready.spec.name));
            }
        }
        for (policy, claims) in self.claiming.policies() {
            if !prepared.plugins.iter().any(|ready| ready.spec.name == policy) {
                crate::log::say(&format!(
                    "policy {policy} is not configured; its claims stay until they end: {claims}"
                ));
            }
        }
        self.granting = MissingGrants::default();
        for ready in &prepared.plugins {
            let (name, version) = (ready.spec.name.clone(), ready.described.version.clone());
            self.granting.put(name, version, ready.warnings.clone());
        }
        let killers: Vec<bool> = prepared.plugins.iter().map(|ready| may_kill(&ready.spec)).collect();
        let (specs, threads): (Vec<_>, Vec<_>) =
            prepared.plugins.into_iter().map(|ready| (ready.spec, ready.thread)).unzip();
        let ids = self.engine.handle_plugins(now, prepared.engine, specs);
        for old in std::mem::take(&mut self.plugins).into_values() {
            self.leaving.extend(old.stop());
        }
        self.killers = ids.iter().zip(killers).filter(|(_, kills)| *kills).map(|(id, _)| *id).collect();
        self.outline = outline;
        for (id, thread) in ids.into_iter().zip(threads) {
            thread.named(id, self.saying.clone());
            self.plugins.insert(id, thread);
        }
        for set in claimed {
            self.engine.handle_set_changed(now, set, None);
        }
        self.listen()
    }

    pub(super) fn reload(&mut self, reading: ReloadId, prepared: Result<LoadedConfig>) {
        // A reading that was given up was reported at that time.
        if self.reloader.ended(reading, clock::now().steady) {
            self.take_or_keep(prepared);
        }
    }

    pub(super) fn take_or_keep(&mut self, prepared: Result<LoadedConfig>) {
        let before = self.outline.clone();
        let taken = prepared.and_then(|prepared| {
            let needs_restart = self.daemon.needs_restart(&prepared.daemon);
            self.take(prepared).map(|()| needs_restart)
        });
        let (notice, result) = match taken {
            Ok(needs_restart) => (Notice::Reloaded, Ok(before.difference(&self.outline, &needs_restart))),
            Err(error) => {
                let why = format!("{error:#}");
                (Notice::ReloadFailed(why.clone()), Err(why))
            }
        };
        if let Notice::ReloadFailed(why) = &notice {
            crate::log::say(&format!("the configuration was not reloaded, the old one stays in force: {why}"));
        }
        self.write(notice);
        self.reload_waiters.settle(&result);
    }
}
