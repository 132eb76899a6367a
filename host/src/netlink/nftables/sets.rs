//! The operator's address sets: adds networks with a lifetime, and removes them.
//!
//! "Block" has one meaning, whatever the set held before: see [`Sets::add`] and [`Sets::remove`].

mod open;

use std::fmt;

use ctwarden_model::{Family, Prefix};
use nix::errno::Errno;
use thiserror::Error;

pub(crate) use open::OpenError;
use open::{find, get_set};

use super::element::{IntervalEnd, SetHandle, range_of};
use super::interval::{self, Element, Lifetime, Range};
use super::{Change, CommitError, ExchangeError, Nftables, RawMessage, errno_text};
use crate::table_name::TableName;

/// How often a change is retried after another program changed the rule set, or an element expired, in between.
const ATTEMPTS: usize = 16;

/// Most elements that one transaction removes. A send buffer of the default size holds a few more.
const MOST_ELEMENTS: usize = 1000;

/// The result of a change.
#[derive(Clone, Copy, Debug, Default)]
struct Changed {
    /// Whether anything had to be changed.
    anything: bool,
    /// Whether the network shared addresses with present elements.
    found: bool,
}

/// The result of an addition without reading the set first.
enum Tried {
    /// The kernel's answer would not show whether the addition is correct, so it was not tried.
    Not,
    Done,
    Refused(i32),
}

/// The sets of one name: one for each family, and at least one.
pub(crate) struct Sets {
    nftables: Nftables,
    ipv4: Option<SetHandle>,
    ipv6: Option<SetHandle>,
}

/// The result of an addition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Added {
    /// No part of the network was present.
    New,
    /// All or a part of the network was present for a shorter time, which is extended.
    Renewed,
    /// The network was present for at least that long. Nothing was changed.
    AlreadyThere,
}

/// The result of a removal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Removed {
    /// Every present part of the network was removed.
    Removed,
    /// No part of the network was present. Nothing was changed.
    NotThere,
}

/// Why a set was not changed.
#[derive(Debug, Error)]
pub(crate) enum ChangeError {
    /// No set holds addresses of that family.
    #[error("{0} cannot be added: no nftables set is named for its address family")]
    NoSet(Prefix),
    /// A lifetime of zero, which would mean forever in nftables.
    #[error("{0} cannot be added to a set for 0 seconds")]
    NoTime(Prefix),
    /// Another program has removed the set.
    #[error("nftables set {set} in table {table} no longer exists")]
    SetGone { table: TableName, set: String },
    /// Another program has recreated the set with a kind that cannot be used.
    #[error("nftables set {set} in table {table} was recreated and {fault}")]
    WrongKind {
        table: TableName,
        set: String,
        /// What is wrong with the new set.
        fault: &'static str,
    },
    /// The kernel refused a part of the change after another part was carried out.
    #[error("nftables changed only a part of {network} in set {set} and refused the rest: {}", errno_text(*errno))]
    InPart {
        /// The network to add or remove.
        network: Prefix,
        set: String,
        errno: i32,
    },
    /// The kernel refused the change.
    #[error("nftables refused {network} in set {set}: {}", errno_text(*errno))]
    Refused {
        /// The network to add or remove.
        network: Prefix,
        set: String,
        /// Error number. `ENFILE`: the set is full. `EAGAIN`: other programs changed the rule set at every attempt.
        errno: i32,
    },
    /// The exchange with the kernel failed before an answer arrived.
    #[error("the request to nftables failed")]
    Exchange(#[from] ExchangeError),
}

impl Sets {
    /// Finds the sets and checks that they hold addresses of the right family, with a lifetime (`flags timeout`).
    ///
    /// # Errors
    /// [`OpenError`], with the command that creates the set if one is missing or wrong.
    pub(crate) fn open(table: &TableName, ipv4: Option<&str>, ipv6: Option<&str>) -> Result<Self, OpenError> {
        if ipv4.is_none() && ipv6.is_none() {
            return Err(OpenError::NoName(table.clone()));
        }
        let mut nftables = Nftables::open()?;
        let ipv4 = ipv4.map(|name| find(&mut nftables, table, name, Family::Ipv4)).transpose()?;
        let ipv6 = ipv6.map(|name| find(&mut nftables, table, name, Family::Ipv6)).transpose()?;
        Ok(Self { nftables, ipv4, ipv6 })
    }

    /// `nlmsg_pid` of the notifications that changes cause.
    pub(crate) const fn port(&self) -> u32 {
        self.nftables.port()
    }

    /// Whether an object of a table may be one of these sets or their table. `None` names the table itself. Tables of
    /// several families may have the same name.
    pub(crate) fn may_be_at(&self, table: &str, object: Option<&str>) -> bool {
        let handles = [&self.ipv4, &self.ipv6];
        let named = |handle: &&SetHandle| handle.table.name == table && object.is_none_or(|name| name == handle.name);
        handles.into_iter().flatten().any(|handle| named(&handle))
    }

    /// Whether both name the same sets of the kernel.
    pub(crate) fn are_the_same(&self, other: &Self) -> bool {
        let place = |handle: &Option<SetHandle>| handle.as_ref().map(|at| (at.table.clone(), at.name.clone()));
        place(&self.ipv4) == place(&other.ipv4) && place(&self.ipv6) == place(&other.ipv6)
    }

    /// Whether there is a set for addresses of that family.
    pub(crate) fn holds(&self, family: Family) -> bool {
        self.handle(family).is_some()
    }

    /// Returns the ranges that the set of that family does not hold whole.
    pub(crate) fn absent(&mut self, family: Family, ranges: &[Range]) -> Result<Vec<Range>, ChangeError> {
        let Some(handle) = self.handle(family).cloned() else { return Ok(Vec::new()) };
        let mut attempts = 0..ATTEMPTS;
        let mut present = loop {
            let read = self.all(&handle).map_err(|error| match error {
                CommitError::Exchange(error) => ChangeError::Exchange(error),
                CommitError::Change { .. } | CommitError::Transaction { .. } | CommitError::NotOurs => gone(&handle),
            })?;
            match read {
                Some(present) => break present,
                None if attempts.next().is_some() => {}
                None => return Ok(ranges.to_vec()),
            }
        };
        if present.is_empty() && !self.is_there(&handle)? {
            return Err(gone(&handle));
        }
        present.sort_by_key(|element| element.range);
        let holds = |range: &Range| {
            let overlapping = present.partition_point(|element| element.range.last < range.first);
            let near = present.iter().skip(overlapping).take_while(|element| element.range.first <= range.last);
            range.without(&near.map(|element| element.range).collect::<Vec<_>>()).is_empty()
        };
        Ok(ranges.iter().filter(|range| !holds(range)).copied().collect())
    }

    /// Adds a network to its set for `seconds`, or until it is removed.
    ///
    /// Afterwards each address of the network is in the set for at least that long. A longer stay is not shortened, so
    /// a short block never ends a long one. No address outside of the network stays longer than before. If the network
    /// overlaps present elements that end sooner, those are cut at its borders, in one transaction (one for each
    /// thousand elements). A network that overlaps anything costs the kernel a dump of the set. A
    /// single address does not.
    ///
    /// # Errors
    /// [`ChangeError`]. A network over more than a thousand elements may then be present in part.
    pub(crate) fn add(&mut self, network: Prefix, seconds: Option<u32>) -> Result<Added, ChangeError> {
        self.as_it_is_now(network, |sets| sets.add_to_known(network, seconds))
    }

    fn add_to_known(&mut self, network: Prefix, seconds: Option<u32>) -> Result<Added, ChangeError> {
        let handle = self.handle(network.family()).ok_or(ChangeError::NoSet(network))?.clone();
        let range = range_of(network);
        if seconds == Some(0) {
            return Err(ChangeError::NoTime(network));
        }
        let lifetime = Lifetime::fresh(seconds);
        if range.first != range.last {
            let element = Element { range, lifetime, userdata: Vec::new() };
            match self.try_adding(&handle, element).map_err(|error| error.told(network, &handle))? {
                Tried::Not => {}
                Tried::Done => return Ok(Added::New),
                Tried::Refused(errno) if errno == Errno::ENOENT as i32 => return Err(gone(&handle)),
                Tried::Refused(errno) if is_race(errno) => {}
                Tried::Refused(errno) => return Err(refused(&handle, network, errno)),
            }
        }
        let change = self.change(&handle, network, |range, present| interval::adding(range, lifetime, present))?;
        Ok(match change {
            Changed { anything: false, .. } => Added::AlreadyThere,
            Changed { found: false, .. } => Added::New,
            Changed { .. } => Added::Renewed,
        })
    }

    /// Removes every present part of a network from its set. If an element extends beyond the network's borders, the
    /// parts outside keep their lifetime.
    ///
    /// # Errors
    /// [`ChangeError`]. A network over more than a thousand elements may then be removed in part.
    pub(crate) fn remove(&mut self, network: Prefix) -> Result<Removed, ChangeError> {
        self.as_it_is_now(network, |sets| sets.remove_from_known(network))
    }

    /// Makes a change. If the set differs from the opened one, because the rules were reloaded, makes the change once
    /// more.
    fn as_it_is_now<T>(
        &mut self,
        network: Prefix,
        mut change: impl FnMut(&mut Self) -> Result<T, ChangeError>,
    ) -> Result<T, ChangeError> {
        let error = match change(self) {
            Err(error @ (ChangeError::Refused { .. } | ChangeError::InPart { .. })) => error,
            Ok(done) => return Ok(done),
            Err(
                error @ (ChangeError::NoSet(_)
                | ChangeError::NoTime(_)
                | ChangeError::SetGone { .. }
                | ChangeError::WrongKind { .. }
                | ChangeError::Exchange(_)),
            ) => return Err(error),
        };
        if self.look_again(network.family())? { change(self) } else { Err(error) }
    }

    /// Looks up the set of a family again. Returns whether its kind has changed.
    fn look_again(&mut self, family: Family) -> Result<bool, ChangeError> {
        let Some(known) = self.handle(family).cloned() else { return Ok(false) };
        let found = match find(&mut self.nftables, &known.table, &known.name, family) {
            Ok(found) => found,
            Err(OpenError::Missing { table, name, .. }) => return Err(ChangeError::SetGone { table, set: name }),
            Err(OpenError::Kind { table, name, fault, .. }) => {
                return Err(ChangeError::WrongKind { table, set: name, fault });
            }
            Err(OpenError::Exchange(error)) => return Err(ChangeError::Exchange(error)),
            // The refusal of the change itself is more precise.
            Err(OpenError::NoName(_) | OpenError::Refused { .. } | OpenError::Privilege) => return Ok(false),
        };
        let is_another = found.kind != known.kind || found.default_timeout != known.default_timeout;
        match family {
            Family::Ipv4 => self.ipv4 = Some(found),
            Family::Ipv6 => self.ipv6 = Some(found),
        }
        Ok(is_another)
    }

    fn remove_from_known(&mut self, network: Prefix) -> Result<Removed, ChangeError> {
        let handle = self.handle(network.family()).ok_or(ChangeError::NoSet(network))?.clone();
        if self.change(&handle, network, interval::removing)?.anything {
            return Ok(Removed::Removed);
        }
        // The kernel answers for a missing set as for a missing element.
        if self.is_there(&handle)? { Ok(Removed::NotThere) } else { Err(gone(&handle)) }
    }

    /// Changes the elements of a network, in one transaction for each portion of [`MOST_ELEMENTS`].
    fn change(
        &mut self,
        handle: &SetHandle,
        network: Prefix,
        decide: impl Fn(Range, &[Element]) -> Option<interval::Exchange>,
    ) -> Result<Changed, ChangeError> {
        let refused = |changed: Changed, errno| {
            if changed.anything {
                ChangeError::InPart { network, set: handle.name.clone(), errno }
            } else {
                refused(handle, network, errno)
            }
        };
        let mut changed = Changed::default();
        let mut rest = Some(range_of(network));
        let mut attempts = 0..ATTEMPTS;
        let mut guess = true;
        while let Some(range) = rest {
            if attempts.next().is_none() {
                return Err(refused(changed, Errno::EAGAIN as i32));
            }
            let (generation, present) =
                self.overlapping(handle, range, guess).map_err(|error| error.told(network, handle))?;
            let (portion, present, behind) = interval::portion(range, &present, MOST_ELEMENTS);
            if let Some(exchange) = decide(portion, present) {
                match self.swap(handle, generation, &exchange)? {
                    None => changed.anything = true,
                    Some(errno) if errno == Errno::ENOENT as i32 && exchange.out.is_empty() => {
                        return Err(gone(handle));
                    }
                    Some(errno) if is_race(errno) => {
                        guess &= errno == Errno::ERESTART as i32;
                        continue;
                    }
                    Some(errno) => return Err(refused(changed, errno)),
                }
            }
            changed.found |= !present.is_empty();
            rest = behind;
            attempts = 0..ATTEMPTS;
        }
        Ok(changed)
    }

    fn handle(&self, family: Family) -> Option<&SetHandle> {
        match family {
            Family::Ipv4 => self.ipv4.as_ref(),
            Family::Ipv6 => self.ipv6.as_ref(),
        }
    }

    /// Adds an element without checking the present ones, which would read the whole set.
    ///
    /// The kernel refuses overlaps, but a range up to the highest address has no end that it could compare (tested on
    /// Linux 6.18). Such a range is not tried, and no other is tried while the set holds such a range.
    fn try_adding(&mut self, handle: &SetHandle, element: Element) -> Result<Tried, CommitError> {
        let generation = self.nftables.generation()?;
        let highest = handle.highest();
        if element.range.last == highest || self.bound(handle, highest, false)?.is_some() {
            return Ok(Tried::Not);
        }
        let refused = outcome(self.nftables.commit_on(generation, handle.add(&[element], true)))?;
        Ok(refused.map_or(Tried::Done, Tried::Refused))
    }

    /// Carries out an exchange. If elements are deleted or have no end, this requires the rule set for which the
    /// exchange was computed: a deletion by bounds could otherwise split other elements.
    fn swap(
        &mut self,
        handle: &SetHandle,
        generation: u32,
        exchange: &interval::Exchange,
    ) -> Result<Option<i32>, ExchangeError> {
        let mut changes: Vec<Change> = handle.delete(&exchange.out);
        changes.extend(handle.add(&exchange.into, true));
        let endless = exchange.into.iter().any(|element| element.range.last == handle.highest());
        outcome(if exchange.out.is_empty() && !endless {
            self.nftables.commit(changes)
        } else {
            self.nftables.commit_on(generation, changes)
        })
    }

    /// Returns the elements that share addresses with a range, and the generation in which they were read. With
    /// `guess`, the element that holds an address is looked up by its bounds, which is quick in a large set.
    fn overlapping(
        &mut self,
        handle: &SetHandle,
        range: Range,
        guess: bool,
    ) -> Result<(u32, Vec<Element>), CommitError> {
        for _ in 0..ATTEMPTS {
            let generation = self.nftables.generation()?;
            let mut present = None;
            if guess && range.first == range.last {
                present = self.holding(handle, range.first)?;
            }
            if present.is_none() {
                present = self.all(handle)?;
            }
            if let Some(mut present) = present {
                present.retain(|element| element.range.overlaps(range));
                return Ok((generation, present));
            }
        }
        Err(CommitError::Transaction { errno: Errno::EAGAIN as i32 })
    }

    /// Looks up the element that holds an address by its bounds. Returns `None` if the answers do not make one element
    /// for certain.
    ///
    /// The kernel finds every start, but misses an end if a start lies on the same address (`__nft_rbtree_get` in
    /// net/netfilter/nft_set_rbtree.c, tested on Linux 6.18). An end is therefore checked: no other start may lie below
    /// it. An element that starts at the address is assumed to be a single address. If it is longer, there is no end
    /// after the address, and the kernel refuses its deletion by these bounds with `ENOENT`.
    fn holding(&mut self, handle: &SetHandle, address: u128) -> Result<Option<Vec<Element>>, CommitError> {
        let Some(start) = self.bound(handle, address, false)? else { return Ok(Some(Vec::new())) };
        if start.end || start.key > address {
            return Ok(None);
        }
        if start.key == address {
            return Ok(Some(vec![start.up_to(address)]));
        }
        let Some(behind) = address.checked_add(1).filter(|behind| *behind <= handle.highest()) else { return Ok(None) };
        let Some(end) = self.bound(handle, behind, true)? else { return Ok(None) };
        let Some(last) = end.key.checked_sub(1).filter(|last| end.end && address <= *last) else { return Ok(None) };
        let below = self.bound(handle, last, false)?;
        let certain = below.is_some_and(|below| !below.end && below.key == start.key);
        Ok(certain.then(|| vec![start.up_to(last)]))
    }

    /// Looks up one bound. `None` if the kernel has none.
    fn bound(&mut self, handle: &SetHandle, address: u128, end: bool) -> Result<Option<IntervalEnd>, CommitError> {
        let answer = self.nftables.ask(handle.table.family, handle.get(address, end), false)?;
        match answer.errno {
            None => {}
            Some(errno) if errno == Errno::ENOENT as i32 => return Ok(None),
            Some(errno) => return Err(CommitError::Transaction { errno }),
        }
        Ok(bounds(&answer.messages)?.into_iter().next())
    }

    /// Returns every element, or `None` if the dump was inconsistent.
    fn all(&mut self, handle: &SetHandle) -> Result<Option<Vec<Element>>, CommitError> {
        let answer = self.nftables.ask(handle.table.family, handle.get_all(), true)?;
        match answer.errno {
            None => {}
            Some(errno) if errno == Errno::ENOENT as i32 => return Ok(Some(Vec::new())),
            Some(errno) => return Err(CommitError::Transaction { errno }),
        }
        Ok(if answer.interrupted { None } else { Some(handle.elements(bounds(&answer.messages)?)) })
    }

    fn is_there(&mut self, handle: &SetHandle) -> Result<bool, ExchangeError> {
        let question = get_set(&handle.table, &handle.name);
        Ok(self.nftables.ask(handle.table.family, question, false)?.errno.is_none())
    }
}

fn bounds(told: &[RawMessage]) -> Result<Vec<IntervalEnd>, ExchangeError> {
    let mut bounds = Vec::new();
    for told in told {
        bounds.extend(IntervalEnd::read_all(told)?);
    }
    Ok(bounds)
}

impl CommitError {
    fn told(self, network: Prefix, handle: &SetHandle) -> ChangeError {
        match self {
            Self::Change { errno, .. } | Self::Transaction { errno } => refused(handle, network, errno),
            Self::NotOurs => refused(handle, network, Errno::EEXIST as i32),
            Self::Exchange(error) => ChangeError::Exchange(error),
        }
    }
}

impl fmt::Debug for Sets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sets").field("ipv4", &self.ipv4).field("ipv6", &self.ipv6).finish_non_exhaustive()
    }
}

/// The error number of a refused transaction, or `None` if it was carried out.
fn outcome(committed: Result<(), CommitError>) -> Result<Option<i32>, ExchangeError> {
    match committed {
        Ok(()) => Ok(None),
        Err(CommitError::Change { errno, .. } | CommitError::Transaction { errno }) => Ok(Some(errno)),
        Err(CommitError::NotOurs) => Ok(Some(Errno::EEXIST as i32)),
        Err(CommitError::Exchange(error)) => Err(error),
    }
}

/// Whether another program was faster (`ERESTART`, `EEXIST`), or an element has expired (`ENOENT`).
fn is_race(errno: i32) -> bool {
    [Errno::ERESTART, Errno::EEXIST, Errno::ENOENT].into_iter().any(|race| errno == race as i32)
}

fn refused(handle: &SetHandle, network: Prefix, errno: i32) -> ChangeError {
    ChangeError::Refused { network, set: handle.name.clone(), errno }
}

fn gone(handle: &SetHandle) -> ChangeError {
    ChangeError::SetGone { table: handle.table.clone(), set: handle.name.clone() }
}

#[cfg(test)]
mod tests;
