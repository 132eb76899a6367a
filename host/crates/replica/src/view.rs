//! What a query examines, and whether a flow matches.

use ctwarden_model::{Family, Filter, FilterPart, FlowKey, Truth, Tuple};

use crate::address::{Address, Long};
use crate::judge::Lasting;
use crate::record::Identity;
use crate::shelf::Shelf;
use crate::slab::Handle;
use crate::state::State;

/// A flow of the replica. It may have ended by now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Selected {
    /// The flow key, with the id. The kernel compares the id in a delete and not in an update.
    pub key: FlowKey,
    pub reply: Tuple,
}

/// The parts of the replica that a query reads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    pub(crate) ipv4: &'a Shelf<u32>,
    pub(crate) ipv6: &'a Shelf<Long>,
    pub(crate) state: &'a State,
}

/// The flow of a record, if it lives and may match.
pub(crate) fn judged<A: Address>(
    shelf: &Shelf<A>,
    filter: &Filter,
    found_by: Option<FilterPart>,
    handle: Handle,
) -> Option<Selected> {
    let record = shelf.get(handle).filter(|record| !record.is_dead())?;
    let (original, reply) = shelf.directions(record);
    let identity = record.identity();
    let flow = Lasting { zone: identity.zone, original: original.tuple(), reply: reply.tuple(), found_by };
    // The caller checks what the replica does not know.
    (filter.evaluate(&flow) != Truth::No).then(|| Selected { key: identity.key(), reply: flow.reply })
}

/// The flow of the key, if it matches.
pub(crate) fn judged_by_name(view: View<'_>, filter: &Filter, key: &FlowKey) -> Option<Selected> {
    fn of<A: Address>(shelf: &Shelf<A>, filter: &Filter, key: &FlowKey) -> Option<Selected> {
        judged(shelf, filter, None, shelf.find(&Identity::new(key)?)?)
    }
    match key.original.family() {
        Family::Ipv4 => of(view.ipv4, filter, key),
        Family::Ipv6 => of(view.ipv6, filter, key),
    }
}
