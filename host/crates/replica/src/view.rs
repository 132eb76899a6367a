//! What a query examines, and whether a flow matches.

use ctwarden_model::{Family, Filter, FilterPart, FlowKey, Truth, Tuple};

use crate::address::{Address, Long};
use crate::family_table::FamilyTable;
use crate::lasting::Lasting;
use crate::record::Identity;
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
    pub(crate) ipv4: &'a FamilyTable<u32>,
    pub(crate) ipv6: &'a FamilyTable<Long>,
    pub(crate) state: &'a State,
}

/// The flow of a record, if it lives and may match.
pub(crate) fn matching<A: Address>(
    table: &FamilyTable<A>,
    filter: &Filter,
    found_by: Option<FilterPart>,
    handle: Handle,
) -> Option<Selected> {
    let record = table.get(handle).filter(|record| !record.is_dead())?;
    let (original, reply) = table.directions(record);
    let identity = record.identity();
    let flow = Lasting { zone: identity.zone, original: original.tuple(), reply: reply.tuple(), found_by };
    // The caller checks what the replica does not know.
    (filter.evaluate(&flow) != Truth::No).then(|| Selected { key: identity.key(), reply: flow.reply })
}

/// The flow of the key, if it matches.
pub(crate) fn matching_by_key(view: View<'_>, filter: &Filter, key: &FlowKey) -> Option<Selected> {
    fn of<A: Address>(table: &FamilyTable<A>, filter: &Filter, key: &FlowKey) -> Option<Selected> {
        matching(table, filter, None, table.find(&Identity::new(key)?)?)
    }
    match key.original.family() {
        Family::Ipv4 => of(view.ipv4, filter, key),
        Family::Ipv6 => of(view.ipv6, filter, key),
    }
}
