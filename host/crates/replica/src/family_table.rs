//! The flows of one family: records, reply tuples, the index by identity and the index by address.
//!
//! The table keeps the four consistent. It has no notion of time: its callers decide what an event or a row means.

use ctwarden_hash::{HashIndex, Seed};
use ctwarden_model::{Flow, Tuple};

use crate::address::Address;
use crate::address_index::AddressIndex;
use crate::flags::Flags;
use crate::record::{Direction, Identity, Record, Translated};
use crate::slab::{Handle, NONE, Slab};

#[derive(Debug)]
pub(crate) struct FamilyTable<A: Address> {
    seed: Seed,
    pub(crate) records: Slab<Record<A>>,
    replies: Slab<Translated<A>>,
    identities: HashIndex,
    /// Each different address of each live flow, once.
    pub(crate) addresses: AddressIndex<A::Key>,
    /// Number of records of flows that ended while a sweep runs.
    dead: usize,
    /// Expected record of the next row of a sweep.
    next: Handle,
}

impl<A: Address> FamilyTable<A> {
    pub(crate) const fn new(seed: Seed) -> Self {
        Self {
            seed,
            records: Slab::new(),
            replies: Slab::new(),
            identities: HashIndex::new(),
            addresses: AddressIndex::new(),
            dead: 0,
            next: 0,
        }
    }

    pub(crate) const fn len(&self) -> usize {
        self.records.len() - self.dead
    }

    /// Allocated heap in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.records.bytes() + self.replies.bytes() + self.identities.bytes() + self.addresses.bytes()
    }

    /// Heap that the next flow allocates at once: a chunk if the last one is full.
    pub(crate) fn next_chunk(&self, translated: bool) -> usize {
        let records = if self.records.is_full() { Slab::<Record<A>>::CHUNK_BYTES } else { 0 };
        let replies = if translated && self.replies.is_full() { Slab::<Translated<A>>::CHUNK_BYTES } else { 0 };
        records + replies
    }

    /// The record of that identity, live or dead.
    pub(crate) fn find(&self, identity: &Identity<A>) -> Option<Handle> {
        let is_it = |handle| self.records.get(handle).is_some_and(|record| record.identity() == *identity);
        self.identities.find(identity.hash(self.seed), is_it)
    }

    /// Finds the record of the next row of a sweep. The kernel lists the table in the same order each time, so the
    /// flows inserted by one sweep are consecutive. Most are found without their hash.
    pub(crate) fn find_row(&mut self, identity: &Identity<A>) -> Option<Handle> {
        let expected = self.next;
        let is_it = self.records.get(expected).is_some_and(|record| record.identity() == *identity);
        let found = if is_it { Some(expected) } else { self.find(identity) };
        if let Some(handle) = found {
            self.next = handle.wrapping_add(1);
        }
        found
    }

    pub(crate) fn get(&self, handle: Handle) -> Option<&Record<A>> {
        self.records.get(handle)
    }

    pub(crate) fn get_mut(&mut self, handle: Handle) -> Option<&mut Record<A>> {
        self.records.get_mut(handle)
    }

    /// Inserts a record whose identity is not in the table. Returns `None` if no handle or index slot is left.
    pub(crate) fn insert(&mut self, identity: &Identity<A>, epoch: u32, reply: Option<Direction<A>>) -> Option<Handle> {
        let handle = self.place(identity, epoch, Flags::EMPTY)?;
        self.give_addresses(handle, reply);
        Some(handle)
    }

    /// Records the end of a flow that is not in the table.
    pub(crate) fn insert_dead(&mut self, identity: &Identity<A>, epoch: u32) {
        if self.place(identity, epoch, Flags::DEAD).is_some() {
            self.dead += 1;
        }
    }

    /// Records the end of a flow that is in the table, and removes its addresses from the index.
    pub(crate) fn bury(&mut self, handle: Handle) {
        if self.records.get(handle).is_some_and(|record| !record.is_dead()) {
            self.take_addresses(handle);
            if let Some(record) = self.records.get_mut(handle) {
                record.flags.set(Flags::DEAD, true);
                self.dead += 1;
            }
        }
    }

    /// Reuses the dead record for a successor with the same identity.
    pub(crate) fn revive(&mut self, handle: Handle, identity: &Identity<A>, epoch: u32, reply: Option<Direction<A>>) {
        if let Some(record) = self.records.get_mut(handle).filter(|record| record.is_dead()) {
            *record = Record::new(identity, epoch, Flags::EMPTY);
            self.dead -= 1;
            self.give_addresses(handle, reply);
        }
    }

    /// Removes a record, live or dead.
    pub(crate) fn remove(&mut self, handle: Handle) {
        let Some(record) = self.records.get(handle).copied() else { return };
        if record.is_dead() {
            self.dead -= 1
        } else {
            self.take_addresses(handle)
        }
        self.identities.remove(record.identity().hash(self.seed), handle);
        self.records.remove(handle);
    }

    /// The original and the reply direction of a record.
    pub(crate) fn directions(&self, record: &Record<A>) -> (Direction<A>, Direction<A>) {
        let original = record.identity().original;
        // The reversed tuple is of the same family, so this is never `None`.
        let reply = self.reply_of(record).or_else(|| Direction::new(&original.tuple().reversed())).unwrap_or(original);
        (original, reply)
    }

    /// The reply tuple, if it is not the reversed original tuple.
    pub(crate) fn reply_of(&self, record: &Record<A>) -> Option<Direction<A>> {
        self.replies.get(record.reply).map(Translated::direction)
    }

    /// The four addresses of a record, duplicates included: source and destination, the original direction first.
    pub(crate) fn addresses_of(&self, record: &Record<A>) -> [A; 4] {
        let original = record.identity().original;
        match self.replies.get(record.reply) {
            Some(translated) => {
                let reply = translated.direction();
                [original.src, original.dst, reply.src, reply.dst]
            }
            None => [original.src, original.dst, original.dst, original.src],
        }
    }

    fn place(&mut self, identity: &Identity<A>, epoch: u32, flags: Flags) -> Option<Handle> {
        let handle = self.records.insert(Record::new(identity, epoch, flags))?;
        if !self.identities.insert(identity.hash(self.seed), handle) {
            self.records.remove(handle);
            return None;
        }
        Some(handle)
    }

    /// Sets the reply tuple of a record and adds the record to the address index.
    fn give_addresses(&mut self, handle: Handle, reply: Option<Direction<A>>) {
        // There are at most as many replies as records, so a handle is always left.
        let reply = reply.and_then(|reply| self.replies.insert(Translated::new(reply)));
        if let Some(record) = self.records.get_mut(handle) {
            record.reply = reply.unwrap_or(NONE);
            let record = *record;
            for address in distinct(self.addresses_of(&record)) {
                self.addresses.insert(address.key(handle));
            }
        }
    }

    fn take_addresses(&mut self, handle: Handle) {
        if let Some(record) = self.records.get(handle).copied() {
            for address in distinct(self.addresses_of(&record)) {
                self.addresses.remove(address.key(handle));
            }
            self.replies.remove(record.reply);
            if let Some(record) = self.records.get_mut(handle) {
                record.reply = NONE;
            }
        }
    }
}

/// The addresses without duplicates.
fn distinct<A: Address>(addresses: [A; 4]) -> impl Iterator<Item = A> {
    addresses
        .into_iter()
        .enumerate()
        .filter(move |(index, address)| !addresses.iter().take(*index).any(|earlier| earlier == address))
        .map(|(_, address)| address)
}

/// The reply tuple of a flow, if it is not the reversed original tuple. `Err` if it is of another family.
pub(crate) fn translated<A: Address>(flow: &Flow) -> Result<Option<Direction<A>>, MixedFamilies> {
    let reply: &Tuple = &flow.tuples.reply;
    if *reply == flow.tuples.original.reversed() {
        return Ok(None);
    }
    Direction::new(reply).map(Some).ok_or(MixedFamilies)
}

/// The tuples of a flow are of different families. No kernel sends that.
#[derive(Debug)]
pub(crate) struct MixedFamilies;
