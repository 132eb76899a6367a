//! The operator's address sets: networks go in with a lifetime, and out.
//!
//! "Block" means one thing here, whether the set holds single addresses or networks, and whatever was in it before: see
//! [`Sets::add`] and [`Sets::remove`].

use std::fmt;

use ctwarden_model::{Family, Prefix};
use netlink_packet_netfilter::nftables::{NfTablesMessage, SetAttribute, SetFlags, SetMessage};
use nix::errno::Errno;
use thiserror::Error;

use super::element::{SetHandle, range_of};
use super::interval::{self, Element, Lifetime, Range};
use super::{Change, CommitError, ExchangeError, Nftables, SetKind, Table, errno_text};

/// How often a change is tried anew after somebody else changed the rule set, or an element expired, in between.
const ATTEMPTS: usize = 16;

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

/// Why sets cannot be used.
#[derive(Debug, Error)]
pub(crate) enum OpenError {
    /// No name was given.
    #[error("table {0}: neither a set for IPv4 nor one for IPv6 is named")]
    NoName(Table),
    /// There is no such set.
    #[error("there is no nftables set {name} in table {table}; create it with: {way_out}")]
    Missing {
        /// Its table.
        table: Table,
        /// Its name.
        name: String,
        /// The command that makes it.
        way_out: String,
    },
    /// The set is of a kind that cannot be used.
    #[error("nftables set {name} in table {table} {fault}; create one with: {way_out}")]
    Kind {
        /// Its table.
        table: Table,
        /// Its name.
        name: String,
        /// What is wrong.
        fault: &'static str,
        /// The command that makes a right one.
        way_out: String,
    },
    /// The kernel refuses to tell.
    #[error("nftables set {name} in table {table} cannot be looked at: {}", errno_text(*errno))]
    Refused {
        /// Its table.
        table: Table,
        /// Its name.
        name: String,
        /// Error number.
        errno: i32,
    },
    /// Not root.
    #[error("nftables may be changed only with the capability CAP_NET_ADMIN")]
    Privilege,
    /// No answer was got.
    #[error("nftables could not be asked")]
    Exchange(#[from] ExchangeError),
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
        /// The set.
        set: String,
    },
    /// A lifetime of nothing, which would be for ever in nftables.
    #[error("{0} cannot be put into a set for 0 seconds")]
    NoTime(Prefix),
    /// Somebody has removed the set.
    #[error("nftables set {set} in table {table} is not there any more")]
    SetGone {
        /// Its table.
        table: Table,
        /// The set.
        set: String,
    },
    /// The kernel said no.
    #[error("nftables refused {network} in set {set}: {}", errno_text(*errno))]
    Refused {
        /// What was to be added or removed.
        network: Prefix,
        /// The set.
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
    pub(crate) fn holds_networks(&self, family: Family) -> bool {
        self.handle(family).is_some_and(|handle| handle.kind.interval)
    }

    /// Puts a network into its set for so many seconds, or until removed.
    ///
    /// After it each address of the network is in the set for at least that long. What was to stay longer is not shortened, so
    /// that a short block never ends a long one; and no address outside of the network stays longer than it would have. Where
    /// the network overlaps present elements that end sooner, those are cut at its borders, in one transaction.
    ///
    /// # Errors
    /// [`ChangeError`]; nothing is changed then.
    pub(crate) fn add(&mut self, network: Prefix, seconds: Option<u32>) -> Result<Added, ChangeError> {
        let handle = self.handle(network.family()).ok_or(ChangeError::NoSet(network))?.clone();
        let range = range_of(network);
        if range.first != range.last && !handle.kind.interval {
            return Err(ChangeError::NoNetworks { network, set: handle.name });
        }
        if seconds == Some(0) {
            return Err(ChangeError::NoTime(network));
        }
        let lifetime = Lifetime::fresh(seconds);
        let refused = |errno| ChangeError::Refused { network, set: handle.name.clone(), errno };
        // To look a network up is to read the whole set, so that is tried without; but a refused transaction costs the kernel
        // some milliseconds (it waits for all readers of the rules), so an address is looked up first.
        if range.first != range.last {
            let element = Element { range, lifetime, userdata: Vec::new() };
            match outcome(self.nftables.commit(handle.add(&[element], true)))? {
                None => return Ok(Added::New),
                Some(errno) if errno == Errno::ENOENT as i32 => return Err(gone(&handle)),
                Some(errno) if is_race(errno) => {}
                Some(errno) => return Err(refused(errno)),
            }
        }
        for _ in 0..ATTEMPTS {
            let (generation, present) = self.overlapping(&handle, range).map_err(|error| error.told(&refused))?;
            let Some(exchange) = interval::adding(range, lifetime, &present) else { return Ok(Added::AlreadyThere) };
            let nothing_there = present.is_empty();
            match self.swap(&handle, generation, &exchange)? {
                None if nothing_there => return Ok(Added::New),
                None => return Ok(Added::Renewed),
                Some(errno) if errno == Errno::ENOENT as i32 && nothing_there => return Err(gone(&handle)),
                Some(errno) if is_race(errno) => {}
                Some(errno) => return Err(refused(errno)),
            }
        }
        Err(refused(Errno::EAGAIN as i32))
    }

    /// Takes a network out of its set, with every part of it that is there. Where an element reaches over the network's borders,
    /// what lies outside stays with the lifetime it had.
    ///
    /// # Errors
    /// [`ChangeError`]; nothing is changed then.
    pub(crate) fn remove(&mut self, network: Prefix) -> Result<Removed, ChangeError> {
        let handle = self.handle(network.family()).ok_or(ChangeError::NoSet(network))?.clone();
        let range = range_of(network);
        let refused = |errno| ChangeError::Refused { network, set: handle.name.clone(), errno };
        for _ in 0..ATTEMPTS {
            let (generation, present) = self.overlapping(&handle, range).map_err(|error| error.told(&refused))?;
            let Some(exchange) = interval::removing(range, &present) else {
                // A missing set answers as a missing element does.
                return if self.is_there(&handle)? { Ok(Removed::NotThere) } else { Err(gone(&handle)) };
            };
            match self.swap(&handle, generation, &exchange)? {
                None => return Ok(Removed::Removed),
                Some(errno) if is_race(errno) => {}
                Some(errno) => return Err(refused(errno)),
            }
        }
        Err(refused(Errno::EAGAIN as i32))
    }

    fn handle(&self, family: Family) -> Option<&SetHandle> {
        match family {
            Family::Ipv4 => self.ipv4.as_ref(),
            Family::Ipv6 => self.ipv6.as_ref(),
        }
    }

    /// Carries an exchange out. Where elements are deleted, only if the rule set is still the one that it was made for: what is
    /// deleted by its bounds could else tear other elements open.
    fn swap(
        &mut self,
        handle: &SetHandle,
        generation: u32,
        exchange: &interval::Exchange,
    ) -> Result<Option<i32>, ExchangeError> {
        let mut changes: Vec<Change> = handle.delete(&exchange.out);
        changes.extend(handle.add(&exchange.into, true));
        outcome(if exchange.out.is_empty() {
            self.nftables.commit(changes)
        } else {
            self.nftables.commit_on(generation, changes)
        })
    }

    /// The elements that share addresses with a range, and the generation that they were read in.
    fn overlapping(&mut self, handle: &SetHandle, range: Range) -> Result<(u32, Vec<Element>), CommitError> {
        for _ in 0..ATTEMPTS {
            let generation = self.nftables.generation()?;
            let present =
                if range.first == range.last { self.holding(handle, range.first)? } else { self.all(handle)? };
            if let Some(mut present) = present {
                present.retain(|element| element.range.overlaps(range));
                return Ok((generation, present));
            }
        }
        Err(CommitError::Transaction { errno: Errno::EAGAIN as i32 })
    }

    /// The element that holds an address; none where it changed meanwhile.
    fn holding(&mut self, handle: &SetHandle, address: u128) -> Result<Option<Vec<Element>>, CommitError> {
        let start = self.nftables.ask(handle.table.family, handle.get(address, false), false)?;
        match start.errno {
            None => {}
            Some(errno) if errno == Errno::ENOENT as i32 => return Ok(Some(Vec::new())),
            Some(errno) => return Err(CommitError::Transaction { errno }),
        }
        let mut messages = start.messages;
        if handle.kind.interval {
            let end = self.nftables.ask(handle.table.family, handle.get(address, true), false)?;
            match end.errno {
                None => messages.extend(end.messages),
                // An open range has no end.
                Some(errno) if errno == Errno::ENOENT as i32 => {}
                Some(errno) => return Err(CommitError::Transaction { errno }),
            }
        }
        let elements = handle.elements(messages);
        let held = |element: &Element| element.range.first <= address && address <= element.range.last;
        Ok(elements.iter().any(held).then_some(elements))
    }

    fn is_there(&mut self, handle: &SetHandle) -> Result<bool, ExchangeError> {
        let question = get_set(&handle.table, &handle.name);
        Ok(self.nftables.ask(handle.table.family, question, false)?.errno.is_none())
    }

    /// Every element; none where the dump was inconsistent.
    fn all(&mut self, handle: &SetHandle) -> Result<Option<Vec<Element>>, CommitError> {
        let reply = self.nftables.ask(handle.table.family, handle.get_all(), true)?;
        if let Some(errno) = reply.errno {
            return Err(CommitError::Transaction { errno });
        }
        Ok((!reply.interrupted).then(|| handle.elements(reply.messages)))
    }
}

impl CommitError {
    fn told(self, refused: &impl Fn(i32) -> ChangeError) -> ChangeError {
        match self {
            Self::Change { errno, .. } | Self::Transaction { errno } => refused(errno),
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

fn gone(handle: &SetHandle) -> ChangeError {
    ChangeError::SetGone { table: handle.table.clone(), set: handle.name.clone() }
}

fn get_set(table: &Table, name: &str) -> NfTablesMessage {
    let attributes = vec![SetAttribute::Table(table.name.clone()), SetAttribute::Name(name.to_owned())];
    NfTablesMessage::GetSet(SetMessage { attributes })
}

/// Looks a set up and checks it.
#[expect(clippy::wildcard_enum_match_arm, reason = "what a set may have beside these is not asked for")]
fn find(nftables: &mut Nftables, table: &Table, name: &str, family: Family) -> Result<SetHandle, OpenError> {
    let wanted = SetKind { family, interval: true, timeout: true };
    let way_out = || {
        format!(
            "nft 'add table {table}; add set {table} {name} {{ type {}; flags interval, timeout; }}'",
            wanted.key_type_name()
        )
    };
    let reply = nftables.ask(table.family, get_set(table, name), false)?;
    let named = || (table.clone(), name.to_owned());
    match reply.errno.map(Errno::from_raw) {
        None => {}
        Some(Errno::ENOENT) => {
            let (table, name) = named();
            return Err(OpenError::Missing { table, name, way_out: way_out() });
        }
        Some(Errno::EPERM) => return Err(OpenError::Privilege),
        Some(errno) => {
            let (table, name) = named();
            return Err(OpenError::Refused { table, name, errno: errno as i32 });
        }
    }
    let mut found = None;
    for message in reply.messages {
        if let NfTablesMessage::NewSet(set) = message {
            found = Some(set);
        }
    }
    let wrong = |fault| {
        let (table, name) = named();
        OpenError::Kind { table, name, fault, way_out: way_out() }
    };
    let Some(set) = found else { return Err(wrong("is not told of by the kernel")) };
    let mut flags = SetFlags::empty();
    let mut key_type = 0;
    let mut default_timeout = 0;
    for attribute in set.attributes {
        match attribute {
            SetAttribute::Flags(value) => flags = value,
            SetAttribute::KeyType(value) => key_type = value,
            SetAttribute::Timeout(value) => default_timeout = value,
            _ => {}
        }
    }
    if key_type != wanted.key_type() {
        return Err(wrong(match family {
            Family::Ipv4 => "does not hold IPv4 addresses",
            Family::Ipv6 => "does not hold IPv6 addresses",
        }));
    }
    if flags.intersects(SetFlags::Map | SetFlags::Object | SetFlags::Concat) {
        return Err(wrong("is a map or holds more than addresses"));
    }
    if flags.contains(SetFlags::Constant) {
        return Err(wrong("has \"flags constant\" and cannot be changed"));
    }
    if !flags.contains(SetFlags::Timeout) {
        return Err(wrong("was made without \"flags timeout\""));
    }
    let kind = SetKind { family, interval: flags.contains(SetFlags::Interval), timeout: true };
    Ok(SetHandle { table: table.clone(), name: name.to_owned(), kind, default_timeout })
}

#[cfg(test)]
mod tests;
