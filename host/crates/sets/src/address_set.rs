//! One address set: the claims of all sources, by network.

use alloc::vec::Vec;
use core::net::IpAddr;

use ctwarden_model::{Prefix, PrefixMap, Timestamp};

use crate::claims::{Claims, Stored};
use crate::ends::Ends;
use crate::second::Second;
use crate::sources::Sources;
use crate::{Claim, Member, Note, Service, Source};

/// Ends are collected anew when there are this many times more than claims: each longer claim leaves an end behind.
const STALE_ENDS: usize = 4;

/// A set of networks. A copy shares the networks with the set, so that a copy for readers is cheap.
#[derive(Clone, Debug, Default)]
pub struct AddressSet {
    networks: PrefixMap<Claims>,
    sources: Sources,
    ends: Ends,
    claims: usize,
}

/// The result of [`AddressSet::add`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Added {
    /// The source did not claim the member.
    New,
    /// The source claimed the member for a shorter time: until then, or forever if `None`.
    Longer { before: Option<Timestamp> },
    /// The source claims the member for at least as long. Nothing was changed.
    AlreadyThere { until: Option<Timestamp> },
    /// The set has 65,536 sources with claims already. Nothing was changed.
    TooManySources,
}

/// The result of [`AddressSet::replace`], in claims.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replaced {
    pub added: usize,
    pub kept: usize,
    pub removed: usize,
}

/// The claim that decides about an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found<'a> {
    pub network: Prefix,
    /// `None` means that the claim does not end by itself.
    pub until: Option<Timestamp>,
    pub source: &'a Source,
    pub note: &'a Note,
}

/// A claim that [`AddressSet::expire`] or [`AddressSet::evict`] removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    pub member: Member,
    pub source: Source,
    pub claim: Claim,
}

impl AddressSet {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of claims of all sources.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.claims
    }

    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.claims == 0
    }

    /// Number of claims of one source.
    #[must_use]
    pub fn claims_of(&self, source: &Source) -> usize {
        self.sources.claims(source)
    }

    /// Every source with claims, and the number of its claims.
    pub fn sources(&self) -> impl Iterator<Item = (&Source, usize)> {
        self.sources.all()
    }

    /// Adds a claim. A longer claim of the same source on the same member stays as it is, so a short ban never ends a
    /// long one.
    pub fn add(&mut self, source: &Source, member: Member, claim: Claim) -> Added {
        let Some(id) = self.sources.find_or_add(source) else { return Added::TooManySources };
        let (network, service) = (member.prefix(), member.only());
        let new = Stored::new(id, service, claim);
        let until = new.until;
        match self.networks.get_mut(network) {
            None => drop(self.networks.insert(network, Claims::One(new))),
            Some(claims) => match claims.get_mut(id, service) {
                None => claims.push(new),
                Some(old) if old.until >= until => return Added::AlreadyThere { until: old.until.moment() },
                Some(old) => {
                    let before = old.until.moment();
                    *old = Stored { since: old.since, ..new };
                    self.note_end(until, network);
                    return Added::Longer { before };
                }
            },
        }
        self.claims += 1;
        self.sources.count(id, true);
        self.note_end(until, network);
        Added::New
    }

    /// Removes the claim of a source on exactly this member, and returns the claim. Claims of other sources, and of this
    /// source on wider and narrower members, stay; see [`Self::covering`].
    pub fn remove(&mut self, source: &Source, member: Member) -> Option<Claim> {
        let id = self.sources.find(source)?;
        let is_meant = |claim: &Stored| claim.source == id && claim.service == member.only();
        let removed = self.retain_at(member.prefix(), |claim| !is_meant(claim)).pop()?;
        Some(removed.claim())
    }

    /// Replaces all claims of a source. A member that the source claimed before keeps its begin. If a member comes twice,
    /// the later one counts.
    pub fn replace(&mut self, source: &Source, claims: impl IntoIterator<Item = (Member, Claim)>) -> Replaced {
        let Some(id) = self.sources.find_or_add(source) else { return Replaced::default() };
        let mut new: Vec<(Member, Stored)> =
            claims.into_iter().map(|(member, claim)| (member, Stored::new(id, member.only(), claim))).collect();
        // Stable, so that of equal members the later stays behind the earlier.
        new.sort_by_key(|(member, _)| *member);
        let mut replaced = Replaced::default();
        let before = self.claims_of(source);
        let mut networks: Vec<(Prefix, Claims)> = Vec::with_capacity(new.len());
        let mut new = new.into_iter().peekable();
        while let Some((member, mut claim)) = new.next() {
            if new.peek().is_some_and(|(next, _)| *next == member) {
                continue;
            }
            let old = self.networks.get(member.prefix());
            let old = old.and_then(|old| old.all().iter().find(|old| old.source == id && old.service == claim.service));
            match old {
                Some(old) => {
                    replaced.kept += 1;
                    claim.since = old.since;
                }
                None => replaced.added += 1,
            }
            match networks.last_mut().filter(|(network, _)| *network == member.prefix()) {
                Some((_, claims)) => claims.push(claim),
                None => networks.push((member.prefix(), Claims::One(claim))),
            }
        }
        replaced.removed = before - replaced.kept;
        let others: Vec<(Prefix, Vec<Stored>)> = self
            .networks
            .iter()
            .map(|(network, claims)| {
                (network, claims.all().iter().filter(|claim| claim.source != id).cloned().collect())
            })
            .filter(|(_, claims): &(Prefix, Vec<Stored>)| !claims.is_empty())
            .collect();
        self.networks = networks.into_iter().collect();
        for (network, claims) in others {
            for claim in claims {
                match self.networks.get_mut(network) {
                    Some(there) => there.push(claim),
                    None => drop(self.networks.insert(network, Claims::One(claim))),
                }
            }
        }
        self.claims = self.claims - before + replaced.kept + replaced.added;
        self.sources.set(id, replaced.kept + replaced.added);
        self.collect_ends();
        replaced
    }

    /// The claim on all traffic of the longest network that contains the address; among several, the one that ends last.
    #[must_use]
    pub fn lookup(&self, address: IpAddr, now: Timestamp) -> Option<Found<'_>> {
        self.decides(address, now, |service| service.is_none())
    }

    /// As [`Self::lookup`], for one service of the address: claims on the service count as well.
    #[must_use]
    pub fn lookup_service(&self, address: IpAddr, service: Service, now: Timestamp) -> Option<Found<'_>> {
        let wanted = Member::service(Prefix::host(address), service);
        self.decides(address, now, |only| Member::with(wanted.prefix(), only).covers(wanted))
    }

    fn decides(&self, address: IpAddr, now: Timestamp, counts: impl Fn(Option<Service>) -> bool) -> Option<Found<'_>> {
        let address = address.to_canonical();
        // Nearly always the longest network decides, and most addresses are in none.
        let (longest, claims) = self.networks.longest(address)?;
        self.found(longest, claims, now, &counts).or_else(|| {
            let mut wider = self.networks.holding_wider(address, longest.length());
            wider.find_map(|(network, claims)| self.found(network, claims, now, &counts))
        })
    }

    /// The claim on a network that ends last, among those that count.
    fn found<'a>(
        &'a self,
        network: Prefix,
        claims: &'a Claims,
        now: Timestamp,
        counts: impl Fn(Option<Service>) -> bool,
    ) -> Option<Found<'a>> {
        let valid = claims.all().iter().filter(|claim| counts(claim.service) && !claim.is_over(now));
        let last = valid.max_by_key(|claim| claim.until)?;
        Some(Found { network, until: last.until.moment(), source: self.sources.get(last.source), note: &last.note })
    }

    /// The claims that keep the whole member in the set: on the member itself and on wider ones, the longest network
    /// first.
    pub fn covering(&self, member: Member, now: Timestamp) -> impl Iterator<Item = (Member, &Source, Claim)> {
        let wider = self.networks.holding(member.prefix().address());
        wider.flat_map(|(network, claims)| claims.all().iter().map(move |claim| (network, claim))).filter_map(
            move |(network, claim)| {
                let holder = Member::with(network, claim.service);
                let holds = holder.covers(member) && !claim.is_over(now);
                holds.then(|| (holder, self.sources.get(claim.source), claim.claim()))
            },
        )
    }

    /// Every claim, by network, the wider first; IPv4 before IPv6.
    pub fn iter(&self) -> impl Iterator<Item = (Member, &Source, Claim)> {
        self.networks.iter().flat_map(move |(network, claims)| {
            let shown = move |claim: &Stored| {
                (Member::with(network, claim.service), self.sources.get(claim.source), claim.claim())
            };
            claims.all().iter().map(shown)
        })
    }

    /// When the next claim may end.
    #[must_use]
    pub fn next_end(&self) -> Option<Timestamp> {
        self.ends.first().and_then(Second::moment)
    }

    /// Removes and returns claims that have ended, those of at most `most` networks.
    pub fn expire(&mut self, now: Timestamp, most: usize) -> Vec<Ended> {
        let mut ended = Vec::new();
        for _ in 0..most {
            let Some(network) = self.ends.next_over(now) else { break };
            for stored in self.retain_at(network, |claim| !claim.is_over(now)) {
                let source = self.sources.get(stored.source).clone();
                ended.push(Ended { member: Member::with(network, stored.service), source, claim: stored.claim() });
            }
        }
        ended
    }

    /// Removes and returns up to `most` claims of a source: those that end first. Claims without an end stay.
    pub fn evict(&mut self, source: &Source, most: usize) -> Vec<Ended> {
        let Some(id) = self.sources.find(source) else { return Vec::new() };
        let of_source = self.networks.iter().flat_map(|(network, claims)| {
            let ending = claims.all().iter().filter(|claim| claim.source == id && claim.until != Second::NEVER);
            ending.map(move |claim| (claim.until, Member::with(network, claim.service)))
        });
        let mut ending: Vec<(Second, Member)> = of_source.collect();
        ending.sort_unstable();
        let evicted = ending.into_iter().take(most).filter_map(|(_, member)| {
            let claim = self.remove(source, member)?;
            Some(Ended { member, source: source.clone(), claim })
        });
        evicted.collect()
    }

    /// Keeps the claims on a network for which `keep` holds, and returns the others.
    fn retain_at(&mut self, network: Prefix, keep: impl FnMut(&Stored) -> bool) -> Vec<Stored> {
        let Some(claims) = self.networks.get_mut(network) else { return Vec::new() };
        let (kept, removed) = claims.split(keep);
        match kept {
            Some(_) if removed.is_empty() => {}
            Some(kept) => *claims = kept,
            None => drop(self.networks.remove(network)),
        }
        self.claims -= removed.len();
        for claim in &removed {
            self.sources.count(claim.source, false);
        }
        removed
    }

    fn note_end(&mut self, until: Second, network: Prefix) {
        self.ends.note(until, network);
        if self.ends.len() > STALE_ENDS * self.claims.max(1024) {
            self.collect_ends();
        }
    }

    fn collect_ends(&mut self) {
        let ends = self.networks.iter();
        self.ends = ends.flat_map(|(network, claims)| claims.all().iter().map(move |c| (c.until, network))).collect();
    }
}

#[cfg(test)]
mod tests;
