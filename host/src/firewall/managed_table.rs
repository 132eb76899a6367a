//! Keeps the table `inet ctwarden` equal to the sets of the configuration.

mod check;

use std::collections::{BTreeMap, BTreeSet};

use ctwarden_model::{Family, PerDirection, Prefix, PrefixSet, SetName, Timestamp, Tuple};
use ctwarden_sets::{Member, Piece, ServicePiece};

use super::held::{Difference, FAMILIES, Held, element, service_range};
use super::members::{HeldBack, LatestEnd, Members};
use crate::netlink::nftables::managed::{
    FilterVerdict, ManagedSet, Owner, addresses_of, delete_table, description, drop_flows, owner, rebuild_table,
    services_of,
};
use crate::netlink::nftables::{Change, CommitError, Element, Nftables};
use crate::set_file::Networks;

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

    /// Creates the table for kills, if there is none.
    ///
    /// # Errors
    /// The kernel refuses the table. Everything is as before.
    pub(super) fn prepare_kills(&mut self, now: Timestamp) -> Result<(), CommitError> {
        let before = std::mem::replace(&mut self.kills, true);
        let created = if self.description.is_none() { self.rebuild(now) } else { Ok(()) };
        if created.is_err() {
            self.kills = before;
        }
        created
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
