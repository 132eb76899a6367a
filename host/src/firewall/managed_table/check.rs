//! Compares the table in the kernel with what it should be, and repairs it.

use std::collections::BTreeMap;

use ctwarden_model::{SetName, Timestamp};
use netlink_packet_netfilter::nftables::NfTablesMessage;
use nix::errno::Errno;

use super::super::held::{Difference, FAMILIES, Held, element, is_as_long, range, service_range};
use super::ManagedTable;
use crate::netlink::nftables::managed::{addresses_of, description, services_of, table};
use crate::netlink::nftables::{Change, CommitError, ExchangeError, IntervalEnd, Lifetime, Nftables, RawMessage};

/// How often a repair is tried again after elements expired or others changed the table in between.
const ATTEMPTS: usize = 3;

/// What a check found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::firewall) struct Repaired {
    /// The table was missing or its rules had changed.
    pub(in crate::firewall) table: bool,
    /// Elements that were missing, foreign or had another lifetime.
    pub(in crate::firewall) elements: usize,
}

impl Repaired {
    pub(in crate::firewall) const fn is_nothing(self) -> bool {
        !self.table && self.elements == 0
    }
}

impl ManagedTable {
    /// Compares the kernel's table with what it should be, and repairs it.
    pub(in crate::firewall) fn check(&mut self, now: Timestamp) -> Result<Repaired, CommitError> {
        if !self.is_needed() {
            return Ok(Repaired::default());
        }
        let present = description(&mut self.nftables)?;
        if present.is_none() || present != self.description {
            self.rebuild(now)?;
            return Ok(Repaired { table: true, elements: 0 });
        }
        let mut elements = 0;
        for name in self.names() {
            elements += self.repair(&name, now)?;
        }
        Ok(Repaired { table: false, elements })
    }

    /// Compares the elements of a set with what they should be, and repairs them. Returns the number of wrong elements.
    fn repair(&mut self, name: &SetName, now: Timestamp) -> Result<usize, CommitError> {
        let mut attempts = 0..ATTEMPTS;
        loop {
            let Some(found) = self.look(name, now)? else { continue };
            let Some(set) = self.sets.get_mut(name) else { return Ok(0) };
            let wrong = found.wrong;
            if !found.changes.is_empty()
                && let Err(error) = self.nftables.commit(found.changes)
            {
                match error {
                    CommitError::Change { errno, .. } | CommitError::Transaction { errno }
                        if attempts.next().is_some() && is_race(errno) => {}
                    error @ (CommitError::Change { .. } | CommitError::Transaction { .. } | CommitError::NotOurs) => {
                        // Creating everything anew does not depend on what is there.
                        self.rebuild(now).map_err(|_| error)?;
                        return Ok(wrong);
                    }
                    error @ CommitError::Exchange(_) => return Err(error),
                }
                continue;
            }
            set.held = found.held;
            return Ok(wrong);
        }
    }

    /// Reads the elements of a set, and computes the repair. `None` if a dump was interrupted.
    fn look(&mut self, name: &SetName, now: Timestamp) -> Result<Option<Found>, CommitError> {
        let Some(set) = self.sets.get(name) else { return Ok(Some(Found::default())) };
        let mut found = Found::default();
        let mut adds = Vec::new();
        for family in FAMILIES {
            let handle = addresses_of(&name.0, family);
            let Some(messages) = dump(&mut self.nftables, handle.get_all())? else { return Ok(None) };
            let mut ends = Vec::new();
            for message in &messages {
                ends.extend(IntervalEnd::read_all(message).map_err(ExchangeError::from)?);
            }
            let wanted = set.members.pieces(family, &self.never);
            let by_key = wanted.iter().map(|piece| (range(*piece), (element(*piece, now), piece.until)));
            let present = handle.elements(ends).into_iter().map(|found| (found.range, found.lifetime, found));
            let (out, into) = compare(by_key.collect(), present, now);
            found.wrong += out.len().max(into.len());
            found.changes.extend(handle.delete(&out));
            adds.extend(handle.add(&into, true));
            found.held.take(family, &Difference { out: Vec::new(), into: wanted });

            let handle = services_of(&name.0, family);
            let Some(messages) = dump(&mut self.nftables, handle.get_all())? else { return Ok(None) };
            let mut present = Vec::new();
            for message in &messages {
                let read = handle.read_all(message).map_err(ExchangeError::from)?;
                present.extend(read.into_iter().flatten().map(|found| (found.key(), found.lifetime, found)));
            }
            let wanted = set.members.service_pieces(family, &self.never);
            let by_key = wanted.iter().map(|piece| (service_range(*piece, now), piece.piece.until));
            let by_key = by_key.map(|(range, until)| (range.key(), (range, until))).collect();
            let (out, into) = compare(by_key, present.into_iter(), now);
            found.wrong += out.len().max(into.len());
            found.changes.extend(handle.delete(&out));
            adds.extend(handle.add(&into));
            found.held.take_services(family, &Difference { out: Vec::new(), into: wanted });
        }
        found.changes.extend(adds);
        Ok(Some(found))
    }
}

/// All messages of a dump, or `None` if the dump was interrupted.
fn dump(nftables: &mut Nftables, question: NfTablesMessage) -> Result<Option<Vec<RawMessage>>, CommitError> {
    let answer = nftables.ask(table().family, question, true)?;
    match answer.errno {
        Some(errno) => Err(CommitError::Transaction { errno }),
        None if answer.interrupted => Ok(None),
        None => Ok(Some(answer.messages)),
    }
}

/// Compares what is present with what is missing. Returns what has to go, and what has to come.
fn compare<K: Ord, T>(
    mut missing: BTreeMap<K, (T, Option<Timestamp>)>,
    present: impl Iterator<Item = (K, Lifetime, T)>,
    now: Timestamp,
) -> (Vec<T>, Vec<T>) {
    let mut out = Vec::new();
    for (key, lifetime, found) in present {
        if missing.get(&key).is_some_and(|(_, until)| is_as_long(lifetime, *until, now)) {
            missing.remove(&key);
        } else {
            out.push(found);
        }
    }
    (out, missing.into_values().map(|(wanted, _)| wanted).collect())
}

/// The repair of a set.
#[derive(Default)]
struct Found {
    changes: Vec<Change>,
    wrong: usize,
    /// What the kernel holds afterwards.
    held: Held,
}

/// Whether another program was faster, or an element has expired.
fn is_race(errno: i32) -> bool {
    [Errno::ENOENT, Errno::EEXIST, Errno::ERESTART].into_iter().any(|race| errno == race as i32)
}
