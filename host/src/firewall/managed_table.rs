//! Keeps the table `inet ctwarden` equal to the sets of the configuration.

use std::collections::{BTreeMap, BTreeSet};

use ctwarden_model::{Family, PerDirection, Prefix, PrefixSet, SetName, Timestamp, Tuple};
use ctwarden_sets::{Member, Piece, ServicePiece};
use netlink_packet_netfilter::nftables::NfTablesMessage;
use nix::errno::Errno;

use super::held::{Difference, FAMILIES, Held, element, is_as_long, range, service_range};
use super::members::{HeldBack, LatestEnd, Members};
use crate::netlink::nftables::managed::{
    FilterVerdict, ManagedSet, Owner, addresses_of, delete_table, description, drop_flows, owner, rebuild_table,
    services_of, table,
};
use crate::netlink::nftables::{
    Change, CommitError, Element, ExchangeError, IntervalEnd, Lifetime, Nftables, RawMessage,
};
use crate::set_file::Networks;

/// How often a repair is tried again after elements expired or others changed the table in between.
const ATTEMPTS: usize = 3;

pub(super) struct ManagedTable {
    nftables: Nftables,
    sets: BTreeMap<SetName, MirroredSet>,
    /// Whether the table is needed without any set, because a policy may kill flows.
    kills: bool,
    never: PrefixSet,
    /// Chains and rules as the kernel described them after the last rebuild.
    description: Option<Vec<Vec<u8>>>,
}

struct MirroredSet {
    verdict: FilterVerdict,
    members: Members,
    held: Held,
}

/// What a check found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Repaired {
    /// The table was missing or its rules had changed.
    pub(super) table: bool,
    /// Elements that were missing, foreign or had another lifetime.
    pub(super) elements: usize,
}

impl Repaired {
    pub(super) const fn is_nothing(self) -> bool {
        !self.table && self.elements == 0
    }
}

/// Changes of one set, with what the kernel holds after them.
#[derive(Default)]
struct Plan {
    deletes: Vec<Change>,
    adds: Vec<Change>,
    addresses: Vec<(Family, Difference<Piece>)>,
    services: Vec<(Family, Difference<ServicePiece>)>,
}

impl Plan {
    fn addresses(&mut self, set: &SetName, family: Family, difference: Difference<Piece>, now: Timestamp) {
        if difference.is_empty() {
            return;
        }
        let elements = |pieces: &[Piece]| pieces.iter().map(|piece| element(*piece, now)).collect::<Vec<Element>>();
        let handle = addresses_of(&set.0, family);
        self.deletes.extend(handle.delete(&elements(&difference.out)));
        self.adds.extend(handle.add(&elements(&difference.into), true));
        self.addresses.push((family, difference));
    }

    fn services(&mut self, set: &SetName, family: Family, difference: Difference<ServicePiece>, now: Timestamp) {
        if difference.is_empty() {
            return;
        }
        let ranges =
            |pieces: &[ServicePiece]| pieces.iter().map(|piece| service_range(*piece, now)).collect::<Vec<_>>();
        let handle = services_of(&set.0, family);
        self.deletes.extend(handle.delete(&ranges(&difference.out)));
        self.adds.extend(handle.add(&ranges(&difference.into)));
        self.services.push((family, difference));
    }

    fn changes(&mut self) -> Vec<Change> {
        let mut changes = std::mem::take(&mut self.deletes);
        changes.append(&mut self.adds);
        changes
    }

    fn take(self, held: &mut Held) {
        for (family, difference) in &self.addresses {
            held.take(*family, difference);
        }
        for (family, difference) in &self.services {
            held.take_services(*family, difference);
        }
    }
}

impl ManagedTable {
    pub(super) const fn new(nftables: Nftables) -> Self {
        Self { nftables, sets: BTreeMap::new(), kills: false, never: PrefixSet::new(), description: None }
    }

    pub(super) const fn port(&self) -> u32 {
        self.nftables.port()
    }

    pub(super) fn is_needed(&self) -> bool {
        self.kills || !self.sets.is_empty()
    }

    pub(super) fn names(&self) -> Vec<SetName> {
        self.sets.keys().cloned().collect()
    }

    /// Elements in the kernel, and networks that are held back.
    pub(super) fn sizes(&self) -> impl Iterator<Item = (&SetName, usize, &HeldBack)> {
        self.sets.iter().map(|(name, set)| (name, set.held.len(), set.members.held_back()))
    }

    /// Takes the sets of a configuration. If only elements differ, the table stays. If no set and no kill needs the
    /// table, a table of an earlier configuration is removed.
    ///
    /// # Errors
    /// The kernel refuses the table or its elements. The sets of before stay in force.
    pub(super) fn configure(
        &mut self,
        sets: Vec<(ManagedSet, Members)>,
        kills: bool,
        never: PrefixSet,
        now: Timestamp,
    ) -> Result<(), CommitError> {
        let new = sets.into_iter().map(|(ManagedSet { name, verdict }, members)| {
            let held = self.sets.get(&name).map(|old| old.held.clone()).unwrap_or_default();
            (name, MirroredSet { verdict, members, held })
        });
        let new = new.collect();
        let before =
            (std::mem::replace(&mut self.sets, new), std::mem::replace(&mut self.kills, kills), self.never.clone());
        self.never = never;
        self.find_held_back();
        let configured = self.take_over(&before.0, now);
        if configured.is_err() {
            (self.sets, self.kills, self.never) = before;
            // The kernel may have carried out a part.
            if let Err(error) = self.check(now) {
                crate::log::say(&format!("table inet ctwarden: {error}"));
            }
        }
        configured
    }

    /// Brings the kernel from the sets of before to the present ones.
    fn take_over(&mut self, before: &BTreeMap<SetName, MirroredSet>, now: Timestamp) -> Result<(), CommitError> {
        let kinds = |sets: &BTreeMap<SetName, MirroredSet>| {
            sets.iter().map(|(name, set)| (name.clone(), set.verdict)).collect::<Vec<_>>()
        };
        if !self.is_needed() {
            self.remove()
        } else if self.description.is_none() || kinds(before) != kinds(&self.sets) {
            self.rebuild(now)
        } else {
            self.renew_all(now)
        }
    }

    /// Removes the table, if there is one.
    fn remove(&mut self) -> Result<(), CommitError> {
        self.description = None;
        match owner(&mut self.nftables) {
            Ok(Owner::Ctwarden) => self.nftables.commit(delete_table()),
            // A kernel without nftables has no table.
            Ok(Owner::Nobody | Owner::Another) | Err(CommitError::Transaction { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Creates the table with all elements in one transaction, in place of the present one.
    fn rebuild(&mut self, now: Timestamp) -> Result<(), CommitError> {
        if owner(&mut self.nftables)? == Owner::Another {
            return Err(CommitError::NotOurs);
        }
        let managed: Vec<ManagedSet> =
            self.sets.iter().map(|(name, set)| ManagedSet { name: name.clone(), verdict: set.verdict }).collect();
        let mut changes = rebuild_table(&managed);
        let mut held = Vec::new();
        for (name, set) in &self.sets {
            let (plan, changed) = set.whole_plan(name, &Held::default(), &self.never, now);
            changes.extend(changed);
            let mut new = Held::default();
            plan.take(&mut new);
            held.push(new);
        }
        self.nftables.commit(changes)?;
        for (set, held) in self.sets.values_mut().zip(held) {
            set.held = held;
        }
        self.description = description(&mut self.nftables)?;
        Ok(())
    }

    /// Brings the elements of all sets up to date.
    fn renew_all(&mut self, now: Timestamp) -> Result<(), CommitError> {
        for name in self.names() {
            self.renew(&name, now)?;
        }
        Ok(())
    }

    /// Brings the elements of a set up to date, after its members were changed as a whole.
    pub(super) fn renew(&mut self, name: &SetName, now: Timestamp) -> Result<(), CommitError> {
        let Some(set) = self.sets.get_mut(name) else { return Ok(()) };
        let (plan, changes) = set.whole_plan(name, &set.held, &self.never, now);
        self.commit(name, plan, changes, now)
    }

    /// Replaces the list of a set.
    pub(super) fn use_list(&mut self, name: &SetName, list: Networks, now: Timestamp) -> Result<(), CommitError> {
        if let Some(set) = self.sets.get_mut(name) {
            set.members.use_list(Some(list));
            set.members.find_held_back(&self.never);
        }
        self.renew(name, now)
    }

    pub(super) fn use_never(&mut self, never: PrefixSet, now: Timestamp) -> Result<(), CommitError> {
        self.never = never;
        self.find_held_back();
        self.renew_all(now)
    }

    fn find_held_back(&mut self) {
        for set in self.sets.values_mut() {
            set.members.find_held_back(&self.never);
        }
    }

    /// Changes members of a set.
    pub(super) fn change(
        &mut self,
        name: &SetName,
        members: &[(Member, LatestEnd)],
        now: Timestamp,
    ) -> Result<(), CommitError> {
        let Some(set) = self.sets.get_mut(name) else { return Ok(()) };
        let mut regions = BTreeSet::new();
        let mut has_services = false;
        for (member, until) in members {
            set.members.claim(*member, *until);
            match member.only() {
                Some(_) => has_services = true,
                None => drop(regions.insert(set.members.region(member.prefix()))),
            }
        }
        let mut plan = Plan::default();
        let mut last: Option<Prefix> = None;
        for region in regions {
            if last.is_some_and(|last| last.covers(region)) {
                continue;
            }
            last = Some(region);
            let difference = set.held.difference(region, &set.members.pieces_in(region, &self.never));
            plan.addresses(name, region.family(), difference, now);
        }
        if has_services {
            for family in FAMILIES {
                let wanted = set.members.service_pieces(family, &self.never);
                plan.services(name, family, set.held.service_difference(family, &wanted), now);
            }
        }
        let changes = plan.changes();
        self.commit(name, plan, changes, now)
    }

    fn commit(&mut self, name: &SetName, plan: Plan, changes: Vec<Change>, now: Timestamp) -> Result<(), CommitError> {
        if changes.is_empty() {
            return Ok(());
        }
        match self.nftables.commit(changes) {
            Ok(()) => {
                if let Some(set) = self.sets.get_mut(name) {
                    plan.take(&mut set.held);
                }
                Ok(())
            }
            // Another program has changed the table, or an element has expired.
            Err(CommitError::Change { .. } | CommitError::Transaction { .. }) => self.check(now).map(drop),
            Err(error @ (CommitError::Exchange(_) | CommitError::NotOurs)) => Err(error),
        }
    }

    /// Drops the packets of flows for a time. Returns false if there is no table, or if a flow has no ports.
    pub(super) fn drop_flows(&mut self, flows: &[PerDirection<Tuple>], now: Timestamp) -> Result<bool, CommitError> {
        let Some(changes) = drop_flows(flows).filter(|_| self.is_needed()) else { return Ok(false) };
        match self.nftables.commit(changes.clone()) {
            Err(CommitError::Change { .. } | CommitError::Transaction { .. }) => {
                self.check(now)?;
                self.nftables.commit(changes)?;
            }
            other => other?,
        }
        Ok(true)
    }

    /// Compares the kernel's table with what it should be, and repairs it.
    pub(super) fn check(&mut self, now: Timestamp) -> Result<Repaired, CommitError> {
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

impl MirroredSet {
    /// The changes that turn what the kernel holds into all members of the set.
    fn whole_plan(&self, name: &SetName, held: &Held, never: &PrefixSet, now: Timestamp) -> (Plan, Vec<Change>) {
        let mut plan = Plan::default();
        for family in FAMILIES {
            let wanted = self.members.pieces(family, never);
            plan.addresses(name, family, held.whole_difference(family, &wanted), now);
            let wanted = self.members.service_pieces(family, never);
            plan.services(name, family, held.service_difference(family, &wanted), now);
        }
        let changes = plan.changes();
        (plan, changes)
    }
}

/// Whether another program was faster, or an element has expired.
fn is_race(errno: i32) -> bool {
    [Errno::ENOENT, Errno::EEXIST, Errno::ERESTART].into_iter().any(|race| errno == race as i32)
}
