//! What a filter asks that a flow keeps for life.

use alloc::boxed::Box;

use ctwarden_model::{Filter, RareFilter};

/// The parts of a filter that a flow keeps for life, where it has any. The rest is matched on the whole entry.
#[must_use]
pub fn lasting(filter: &Filter) -> Option<Filter> {
    let sets = filter.rare.as_ref().map(|rare| &rare.sets).filter(|sets| !sets.is_empty());
    let lasting = Filter {
        family: filter.family,
        protocols: filter.protocols.clone(),
        zones: filter.zones.clone(),
        original_src: filter.original_src.clone(),
        original_dst: filter.original_dst.clone(),
        reply_src: filter.reply_src.clone(),
        reply_dst: filter.reply_dst.clone(),
        either: filter.either.clone(),
        src_ports: filter.src_ports.clone(),
        dst_ports: filter.dst_ports.clone(),
        rare: sets.map(|sets| Box::new(RareFilter { sets: sets.clone(), ..RareFilter::default() })),
        ..Filter::default()
    };
    (lasting != Filter::default()).then_some(lasting)
}

/// Whether the replica finds the flows of a filter by an index; else it looks at each.
#[must_use]
pub fn is_indexed(filter: &Filter) -> bool {
    let networks = [&filter.original_src, &filter.original_dst, &filter.reply_src, &filter.reply_dst, &filter.either];
    networks.iter().any(|networks| !networks.is_empty())
        || filter.rare.as_ref().is_some_and(|rare| !rare.sets.is_empty())
}
