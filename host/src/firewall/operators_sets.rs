//! Keeps the networks of a set in nftables sets that belong to the operator.
//!
//! Other programs may put elements of their own into these sets. So ctwarden adds what is missing, and removes only
//! what it added itself.

use std::collections::BTreeSet;

use ctwarden_model::{Family, PrefixSet, Timestamp, networks_of_range};
use ctwarden_sets::{Member, Piece};

use super::held::{FAMILIES, Held, lifetime, range};
use super::members::{HeldBack, LatestEnd, Members};
use crate::netlink::nftables::{ChangeError, Range, Sets};
use crate::set_file::Networks;

pub(super) struct OperatorsSets {
    sets: Box<Sets>,
    members: Members,
    held: Held,
}

impl OperatorsSets {
    /// `before` are the sets of the same name in the configuration before. What the kernel holds is known from them, if
    /// they are the same sets of the kernel.
    pub(super) fn new(sets: Box<Sets>, members: Members, before: Option<&Self>) -> Self {
        let before = before.filter(|before| before.sets.are_the_same(&sets));
        let held = before.map(|before| before.held.clone()).unwrap_or_default();
        Self { sets, members, held }
    }

    /// Whether these are the same sets of the kernel.
    pub(super) fn are_the_same(&self, other: &Self) -> bool {
        self.sets.are_the_same(&other.sets)
    }

    /// Removes all that ctwarden has added, because the set is not mirrored here any more.
    pub(super) fn clear(mut self, now: Timestamp) -> Result<(), ChangeError> {
        for family in FAMILIES {
            let pieces: Vec<Piece> = self.held.pieces(family).collect();
            self.carry_out(family, &pieces, &[], now)?;
        }
        Ok(())
    }

    /// `nlmsg_pid` of the notifications that changes of these sets cause.
    pub(super) const fn port(&self) -> u32 {
        self.sets.port()
    }

    /// Whether an object of a table may be one of these sets or their table. `None` names the table itself.
    pub(super) fn may_be_at(&self, table: &str, object: Option<&str>) -> bool {
        self.sets.may_be_at(table, object)
    }

    pub(super) fn elements(&self) -> usize {
        self.held.len()
    }

    pub(super) const fn held_back(&self) -> &HeldBack {
        self.members.held_back()
    }

    /// Changes members of the set.
    pub(super) fn change(
        &mut self,
        members: &[(Member, LatestEnd)],
        never: &PrefixSet,
        now: Timestamp,
    ) -> Result<(), ChangeError> {
        let mut outcome = Ok(());
        for (member, until) in members {
            self.members.claim(*member, *until);
            let region = self.members.region(member.prefix());
            let wanted = self.members.pieces_in(region, never);
            let difference = self.held.difference(region, &wanted);
            let changed = self.carry_out(region.family(), &difference.out, &difference.into, now);
            match changed {
                Ok(()) => self.held.take(region.family(), &difference),
                // The others are tried all the same.
                Err(error) => outcome = outcome.and(Err(error)),
            }
        }
        outcome
    }

    pub(super) fn use_list(&mut self, list: Networks, never: &PrefixSet, now: Timestamp) -> Result<(), ChangeError> {
        self.members.use_list(Some(list));
        self.renew(never, now)
    }

    /// Brings the elements up to date, after the members were changed as a whole.
    pub(super) fn renew(&mut self, never: &PrefixSet, now: Timestamp) -> Result<(), ChangeError> {
        self.members.find_held_back(never);
        for family in FAMILIES {
            let wanted = self.members.pieces(family, never);
            let difference = self.held.whole_difference(family, &wanted);
            self.carry_out(family, &difference.out, &difference.into, now)?;
            self.held.take(family, &difference);
        }
        Ok(())
    }

    /// Adds what another program has removed, or what could not be added before. Returns the number of pieces that were
    /// missing.
    pub(super) fn repair(&mut self, never: &PrefixSet, now: Timestamp) -> Result<usize, ChangeError> {
        let mut missing = 0;
        for family in FAMILIES {
            let wanted = self.members.pieces(family, never);
            if wanted.is_empty() || !self.sets.holds(family) {
                continue;
            }
            let ranges: Vec<Range> = wanted.iter().map(|piece| range(*piece)).collect();
            let absent: BTreeSet<Range> = self.sets.absent(family, &ranges)?.into_iter().collect();
            let gone: Vec<Piece> = wanted.iter().filter(|piece| absent.contains(&range(**piece))).copied().collect();
            missing += gone.len();
            self.carry_out(family, &[], &gone, now)?;
            let difference = self.held.whole_difference(family, &wanted);
            self.held.take(family, &difference);
        }
        Ok(missing)
    }

    fn carry_out(&mut self, family: Family, out: &[Piece], into: &[Piece], now: Timestamp) -> Result<(), ChangeError> {
        for piece in into {
            let seconds = lifetime(piece.until, now).whole.map(|whole| u32::try_from(whole / 1000).unwrap_or(u32::MAX));
            for network in networks_of_range(family, piece.first, piece.last) {
                self.sets.add(network, seconds)?;
            }
        }
        // What only gets another end stays: it is not removed in between.
        let kept: Vec<Range> = into.iter().map(|piece| range(*piece)).collect();
        for piece in out {
            for gap in range(*piece).without(&kept) {
                for network in networks_of_range(family, gap.first, gap.last) {
                    self.sets.remove(network)?;
                }
            }
        }
        Ok(())
    }
}
