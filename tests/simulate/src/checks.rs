//! The rules that must hold in every simulation.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use ctwarden_model::{Flow, Outcome, VerdictKind, VerdictRecord};

use crate::flows::{self, Life};
use crate::kernel::{Deed, Done, Kernel};
use crate::plugins::Said;

/// What the checks know of lives and records.
#[derive(Debug, Default)]
pub(crate) struct Checks {
    /// For each life, the number of ends that the daemon had read when it read the end of this life, this one included.
    heard: BTreeMap<Life, u64>,
    ends: u64,
    /// For each verdict, the number of ends that the daemon had read when the verdict arrived.
    said_at: BTreeMap<String, u64>,
    records: BTreeMap<String, u32>,
    /// Number of the kernel's deeds that were checked.
    looked_at: usize,
}

impl Checks {
    pub(crate) fn heard_ends(&mut self, flow: &Flow) {
        let Some(life) = flows::life_of(flow) else { return };
        self.ends += 1;
        self.heard.entry(life).or_insert(self.ends);
    }

    /// Number of ends of flows that the daemon has read.
    pub(crate) const fn ends(&self) -> u64 {
        self.ends
    }

    pub(crate) fn said(&mut self, code: &str) {
        self.said_at.insert(code.to_owned(), self.ends);
    }

    /// Checks that nothing is done to a protected flow.
    pub(crate) fn kernel(&mut self, kernel: &Kernel) -> Result<()> {
        for Done { deed, place, life, .. } in kernel.deeds().iter().skip(self.looked_at) {
            ensure!(!flows::is_protected(*place), "{deed:?} of the protected flow at place {place}, {life:?}");
        }
        self.looked_at = kernel.deeds().len();
        Ok(())
    }

    /// Checks that a verdict has one record, and that its outcome fits the kernel's deeds.
    ///
    /// If the daemon had read the end of the meant entry before the verdict, the record must not say `applied` because
    /// of a later entry. There are two exceptions, because verdicts that want the same change under one key share the
    /// outcome. Either another verdict meant the later entry, or the effect was sent before the end was read
    /// (docs/identity.md).
    pub(crate) fn record(&mut self, record: &VerdictRecord, said: &Said, kernel: &Kernel) -> Result<()> {
        let code = &record.verdict.code;
        let meant = said.verdicts.get(code);
        ensure!(meant.is_some(), "a record of {code}, which no plugin said");
        let records = self.records.entry(code.clone()).or_default();
        *records += 1;
        ensure!(*records == 1, "{records} records of {code}");
        let Some((kind, life)) = meant.and_then(|meant| Some((meant.kind, meant.life?))) else { return Ok(()) };
        let deed = match kind {
            VerdictKind::Delete => Deed::Deleted,
            VerdictKind::Kill => Deed::Killed,
            VerdictKind::Mark | VerdictKind::Timeout => Deed::Updated,
            VerdictKind::Labels
            | VerdictKind::Alert
            | VerdictKind::Log
            | VerdictKind::Block
            | VerdictKind::Unblock
            | VerdictKind::Protect
            | VerdictKind::Sweep => return Ok(()),
        };
        let said_at = self.said_at.get(code).copied().unwrap_or(0);
        let end = self.heard.get(&life).copied().filter(|end| *end <= said_at);
        if let Some(end) = end.filter(|_| record.outcome == Outcome::Applied) {
            let means =
                |life| said.means(kind, life) || kind == VerdictKind::Delete && said.means(VerdictKind::Kill, life);
            let is_shared = kernel.done_beside(deed, life).any(|other| other.ends < end || means(other.life));
            ensure!(kernel.did(deed, life) || is_shared, "{code} is applied, but {life:?} was never {deed:?}");
        }
        Ok(())
    }

    /// Checks that every verdict has its record.
    pub(crate) fn end(&self, said: &Said) -> Result<()> {
        for code in said.verdicts.keys().filter(|code| self.said_at.contains_key(*code)) {
            ensure!(self.records.get(code) == Some(&1), "no record of {code}");
        }
        Ok(())
    }
}
