//! The operator's address sets: networks go in with a lifetime, and out.
//!
//! "Block" means one thing here, whether the set holds single addresses or networks, and whatever was in it before: see
//! [`Sets::add`] and [`Sets::remove`].

mod open;

use std::fmt;

use ctwarden_model::{Family, Prefix};
use nix::errno::Errno;
use thiserror::Error;

pub(crate) use open::OpenError;
use open::{find, get_set};

use super::element::{Bound, SetHandle, range_of};
use super::interval::{self, Element, Lifetime, Range};
use super::{Change, CommitError, ExchangeError, Nftables, Table, Told, errno_text};

/// How often a change is tried anew after somebody else changed the rule set, or an element expired, in between.
const ATTEMPTS: usize = 16;

/// Most elements that one transaction takes out: a send buffer of the default size holds some more.
const MOST_ELEMENTS: usize = 1000;

/// What a change came to.
#[derive(Clone, Copy, Debug, Default)]
struct Changed {
    /// Whether anything had to be done.
    anything: bool,
    /// Whether the network shared addresses with present elements.
    found: bool,
}

/// What came of an addition without a look.
enum Tried {
    /// It cannot be told from the kernel's answer whether it would be right.
    Not,
    Done,
    Refused(i32),
}

/// The sets of one name, one for each family; at least one.
pub(crate) struct Sets {
    nftables: Nftables,
    ipv4: Option<SetHandle>,
    ipv6: Option<SetHandle>,
}

/// What came of an addition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Added {
    /// Nothing of it was there.
    New,
    /// All or a part of it was there for a shorter time; that is prolonged.
    Renewed,
    /// It was there at least for that long; nothing was done.
    AlreadyThere,
}

/// What came of a removal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Removed {
    /// All of it that was there is gone.
    Removed,
    /// Nothing of it was there; nothing was done.
    NotThere,
}

/// Why a set was not changed.
#[derive(Debug, Error)]
pub(crate) enum ChangeError {
    /// No set holds addresses of that family.
    #[error("{0} cannot be put into a set: none is named for its family")]
    NoSet(Prefix),
    /// The set holds single addresses.
    #[error(
        "{network} cannot be put into nftables set {set}: it was made without \"flags interval\", so it holds single addresses only"
    )]
    NoNetworks {
        /// What was to be added.
        network: Prefix,
        set: String,
    },
    /// A lifetime of nothing, which would be for ever in nftables.
    #[error("{0} cannot be put into a set for 0 seconds")]
    NoTime(Prefix),
    /// Somebody has removed the set.
    #[error("nftables set {set} in table {table} is not there any more")]
    SetGone { table: Table, set: String },
    /// Somebody has made the set anew, of a kind that cannot be used.
    #[error("nftables set {set} in table {table} was made anew and {fault}")]
    WrongKind {
        table: Table,
        set: String,
        /// What is wrong with it.
        fault: &'static str,
    },
    /// The kernel refused a part of it when another part was done already.
    #[error("nftables refused a part of {network} in set {set}, and another part is done: {}", errno_text(*errno))]
    InPart {
        /// What was to be added or removed.
        network: Prefix,
        set: String,
        errno: i32,
    },
    /// The kernel said no.
    #[error("nftables refused {network} in set {set}: {}", errno_text(*errno))]
    Refused {
        /// What was to be added or removed.
        network: Prefix,
        set: String,
        /// Error number; `ENFILE`: the set is full, `EAGAIN`: others changed the rule set again and again meanwhile.
        errno: i32,
    },
    /// No answer was got.
    #[error("nftables could not be asked")]
    Exchange(#[from] ExchangeError),
}

impl Sets {
    /// Finds the sets and checks that they hold addresses of the right family, with a lifetime (`flags timeout`).
    ///
    /// # Errors
    /// [`OpenError`], with the command that creates a set where one is missing or wrong.
    pub(crate) fn open(table: &Table, ipv4: Option<&str>, ipv6: Option<&str>) -> Result<Self, OpenError> {
        if ipv4.is_none() && ipv6.is_none() {
            return Err(OpenError::NoName(table.clone()));
        }
        let mut nftables = Nftables::open()?;
        let ipv4 = ipv4.map(|name| find(&mut nftables, table, name, Family::Ipv4)).transpose()?;
        let ipv6 = ipv6.map(|name| find(&mut nftables, table, name, Family::Ipv6)).transpose()?;
        Ok(Self { nftables, ipv4, ipv6 })
    }

    /// Whether networks can be added for that family, beside single addresses.
    #[cfg(test)]
    pub(crate) fn holds_networks(&self, family: Family) -> bool {
        self.handle(family).is_some_and(|handle| handle.kind.interval)
    }

    /// Puts a network into its set for so many seconds, or until removed.
    ///
    /// After it each address of the network is in the set for at least that long. What was to stay longer is not shortened, so
    /// that a short block never ends a long one; and no address outside of the network stays longer than it would have. Where
    /// the network overlaps present elements that end sooner, those are cut at its borders, in one transaction (one for each
    /// thousand elements). On a set with intervals a network costs the kernel a dump of the set where it overlaps anything;
    /// an address does not.
    ///
    /// # Errors
    /// [`ChangeError`]; a network over more than a thousand elements may be there in part then.
    pub(crate) fn add(&mut self, network: Prefix, seconds: Option<u32>) -> Result<Added, ChangeError> {
        self.as_it_is_now(network, |sets| sets.add_to_known(network, seconds))
    }

    fn add_to_known(&mut self, network: Prefix, seconds: Option<u32>) -> Result<Added, ChangeError> {
        let handle = self.handle(network.family()).ok_or(ChangeError::NoSet(network))?.clone();
        let range = range_of(network);
        if range.first != range.last && !handle.kind.interval {
            return Err(ChangeError::NoNetworks { network, set: handle.name });
        }
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

    /// Takes a network out of its set, with every part of it that is there. Where an element reaches over the network's borders,
    /// what lies outside stays with the lifetime it had.
    ///
    /// # Errors
    /// [`ChangeError`]; a network over more than a thousand elements may be gone in part then.
    pub(crate) fn remove(&mut self, network: Prefix) -> Result<Removed, ChangeError> {
        self.as_it_is_now(network, |sets| sets.remove_from_known(network))
    }

    /// Makes a change; where the set is not what it was when it was opened, because the rules were loaded anew, once more.
    fn as_it_is_now<T>(
        &mut self,
        network: Prefix,
        mut change: impl FnMut(&mut Self) -> Result<T, ChangeError>,
    ) -> Result<T, ChangeError> {
        let error = match change(self) {
            Err(
                error @ (ChangeError::NoNetworks { .. } | ChangeError::Refused { .. } | ChangeError::InPart { .. }),
            ) => error,
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

    /// Looks at the set of a family anew; whether it is of another kind than it was.
    fn look_again(&mut self, family: Family) -> Result<bool, ChangeError> {
        let Some(known) = self.handle(family).cloned() else { return Ok(false) };
        let found = match find(&mut self.nftables, &known.table, &known.name, family) {
            Ok(found) => found,
            Err(OpenError::Missing { table, name, .. }) => return Err(ChangeError::SetGone { table, set: name }),
            Err(OpenError::Kind { table, name, fault, .. }) => {
                return Err(ChangeError::WrongKind { table, set: name, fault });
            }
            Err(OpenError::Exchange(error)) => return Err(ChangeError::Exchange(error)),
            // The refusal of the change itself says more.
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
        // A missing set answers as a missing element does.
        if self.is_there(&handle)? { Ok(Removed::NotThere) } else { Err(gone(&handle)) }
    }

    /// Changes the elements of a network, one transaction for each portion of [`MOST_ELEMENTS`].
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

    /// Adds an element without a look at what is there, which is to read the whole set.
    ///
    /// The kernel refuses what overlaps, but a range up to the highest address has no end for it to compare with (run on Linux
    /// 6.18): such a one is not tried, nor is any where such a one is in the set.
    fn try_adding(&mut self, handle: &SetHandle, element: Element) -> Result<Tried, CommitError> {
        let generation = self.nftables.generation()?;
        let highest = handle.highest();
        if element.range.last == highest || self.bound(handle, highest, false)?.is_some() {
            return Ok(Tried::Not);
        }
        let refused = outcome(self.nftables.commit_on(generation, handle.add(&[element], true)))?;
        Ok(refused.map_or(Tried::Done, Tried::Refused))
    }

    /// Carries an exchange out. Where elements are deleted or have no end, only if the rule set is still the one that it was made
    /// for: what is deleted by its bounds could else tear other elements open.
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

    /// The elements that share addresses with a range, and the generation that they were read in. With `guess` the one that holds
    /// an address is asked for by its bounds, which is quick in a large set.
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

    /// The element that holds an address, asked for by its bounds; none where the answers do not make one element for certain.
    ///
    /// The kernel finds every start, but misses an end where a start lies on the same address (`__nft_rbtree_get` in
    /// net/netfilter/nft_set_rbtree.c, run on Linux 6.18). So an end that it gives is checked: no other start may lie below it. An
    /// element that starts at the address is taken for a single address: if it is longer, there is no end behind the address,
    /// and to delete it by these bounds is refused with `ENOENT`.
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

    /// One bound; none where the kernel knows of none.
    fn bound(&mut self, handle: &SetHandle, address: u128, end: bool) -> Result<Option<Bound>, CommitError> {
        let answer = self.nftables.ask(handle.table.family, handle.get(address, end), false)?;
        match answer.errno {
            None => {}
            Some(errno) if errno == Errno::ENOENT as i32 => return Ok(None),
            Some(errno) => return Err(CommitError::Transaction { errno }),
        }
        Ok(bounds(&answer.messages)?.into_iter().next())
    }

    /// Every element; none where the dump was inconsistent.
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

fn bounds(told: &[Told]) -> Result<Vec<Bound>, ExchangeError> {
    let mut bounds = Vec::new();
    for told in told {
        bounds.extend(Bound::read_all(told)?);
    }
    Ok(bounds)
}

impl CommitError {
    fn told(self, network: Prefix, handle: &SetHandle) -> ChangeError {
        match self {
            Self::Change { errno, .. } | Self::Transaction { errno } => refused(handle, network, errno),
            Self::Exchange(error) => ChangeError::Exchange(error),
        }
    }
}

impl fmt::Debug for Sets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sets").field("ipv4", &self.ipv4).field("ipv6", &self.ipv6).finish_non_exhaustive()
    }
}

/// The error number of a refused transaction; none where it was carried out.
fn outcome(committed: Result<(), CommitError>) -> Result<Option<i32>, ExchangeError> {
    match committed {
        Ok(()) => Ok(None),
        Err(CommitError::Change { errno, .. } | CommitError::Transaction { errno }) => Ok(Some(errno)),
        Err(CommitError::Exchange(error)) => Err(error),
    }
}

/// Somebody else was faster (`ERESTART`, `EEXIST`), or an element has expired (`ENOENT`).
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
