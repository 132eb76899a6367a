//! The simulated conntrack table of `ctwarden try`.
//!
//! Sweeps read it, and events change it. A flow that a policy would have ended is removed.

use std::collections::{BTreeMap, HashMap};

use ctwarden_model::{EventKind, Filter, Flow, FlowId, FlowKey, Mark, Masked, Tuple, Zone};

/// Flows by place: in the order in which they began.
#[derive(Debug, Default)]
pub(super) struct TriedTable {
    flows: BTreeMap<u64, Flow>,
    /// The place of each flow, by zone and tuple of either direction, as the kernel finds it.
    places: HashMap<(Zone, Tuple), u64>,
    last_place: u64,
    last_id: u32,
}

/// The keys by which the kernel finds the flow: zone and tuple of either direction.
fn names(flow: &Flow) -> [(Zone, Tuple); 2] {
    [flow.reply_key(), flow.key()].map(|key| (key.zone, key.original))
}

impl TriedTable {
    /// Gives the flow an id if the text has none, because a verdict names its flow by id. A flow keeps its id until it
    /// ends.
    pub(super) fn name(&mut self, kind: EventKind, flow: &mut Flow) {
        let known = match kind {
            EventKind::Row | EventKind::New => None,
            EventKind::Update | EventKind::Destroy => self.find(&flow.key()).and_then(|known| known.id),
        };
        if flow.id.is_none() {
            flow.id = known.or_else(|| {
                self.last_id = self.last_id.wrapping_add(1);
                Some(FlowId(self.last_id))
            });
        }
    }

    /// Applies an event or a dump entry to the table.
    pub(super) fn hear(&mut self, kind: EventKind, flow: &Flow) {
        let before = self.places.get(&(flow.zone, flow.tuples.original)).copied();
        let place = match kind {
            // The previous flow of the tuple has ended without an event.
            EventKind::Row | EventKind::New => {
                before.map(|place| self.remove(place));
                None
            }
            EventKind::Update => before,
            EventKind::Destroy => {
                before.map(|place| self.remove(place));
                return;
            }
        };
        let place = place.unwrap_or_else(|| {
            self.last_place += 1;
            self.last_place
        });
        let flow = self.flows.get(&place).map_or_else(|| flow.clone(), |before| updated(before, flow));
        self.places.extend(names(&flow).map(|name| (name, place)));
        self.flows.insert(place, flow);
    }

    fn remove(&mut self, place: u64) -> Option<Flow> {
        let removed = self.flows.remove(&place)?;
        for name in names(&removed) {
            self.places.remove(&name);
        }
        Some(removed)
    }

    /// Removes the flow, if the table has it under this id.
    pub(super) fn end(&mut self, key: &FlowKey) -> Option<Flow> {
        let place = self.place(key)?;
        self.remove(place)
    }

    /// Changes the bits of the flow's mark under the mask.
    pub(super) fn mark(&mut self, key: &FlowKey, mark: Masked) {
        let place = self.place(key);
        if let Some(flow) = place.and_then(|place| self.flows.get_mut(&place)) {
            let before = flow.mark.unwrap_or_default().0;
            flow.mark = Some(Mark(before & !mark.mask() | mark.value()));
        }
    }

    /// The flow that has the tuple, whatever its id.
    pub(super) fn find(&self, key: &FlowKey) -> Option<&Flow> {
        self.flows.get(self.places.get(&(key.zone, key.original))?)
    }

    /// The place of the flow; `None` if the tuple belongs to a flow with another id.
    fn place(&self, key: &FlowKey) -> Option<u64> {
        self.find(key).filter(|flow| flow.is_named_by(key))?;
        self.places.get(&(key.zone, key.original)).copied()
    }

    /// The keys of the flows that match.
    pub(super) fn matching(&self, filter: &Filter) -> Vec<FlowKey> {
        self.flows.values().filter(|flow| filter.matches(flow)).map(Flow::key).collect()
    }

    /// The first flow after a place, with its own place.
    pub(super) fn behind(&self, place: u64) -> Option<(u64, &Flow)> {
        self.flows.range(place.checked_add(1)?..).next().map(|(place, flow)| (*place, flow))
    }

    pub(super) fn len(&self) -> usize {
        self.flows.len()
    }
}

/// The flow after an update. The event carries only what changed, so the rest comes from `before`.
fn updated(before: &Flow, event: &Flow) -> Flow {
    let mut flow = event.clone();
    flow.status = flow.status.or(before.status);
    flow.info = flow.info.or(before.info);
    flow.timeout = flow.timeout.or(before.timeout);
    flow.mark = flow.mark.or(before.mark);
    flow.labels = flow.labels.or(before.labels);
    flow.counters.original = flow.counters.original.or(before.counters.original);
    flow.counters.reply = flow.counters.reply.or(before.counters.reply);
    flow.started = flow.started.or(before.started);
    flow.rare = flow.rare.or_else(|| before.rare.clone());
    flow
}

#[cfg(test)]
mod tests {
    use ctwarden_model::{Layer4, PerDirection, Protocol};

    use super::*;

    fn flow(port: u16) -> Flow {
        let original = Tuple {
            src: [192, 0, 2, 1].into(),
            dst: [192, 0, 2, 2].into(),
            protocol: Protocol::UDP,
            layer4: Layer4::Ports { src: port, dst: 53 },
        };
        Flow::new(PerDirection { original, reply: original.reversed() })
    }

    fn heard(table: &mut TriedTable, kind: EventKind, port: u16) -> FlowKey {
        let mut flow = flow(port);
        table.name(kind, &mut flow);
        table.hear(kind, &flow);
        flow.key()
    }

    #[test]
    fn a_flow_keeps_its_id_until_its_end() {
        let mut table = TriedTable::default();
        let first = heard(&mut table, EventKind::New, 1);
        let other = heard(&mut table, EventKind::New, 2);
        assert_ne!(first.id, other.id);
        assert_eq!(heard(&mut table, EventKind::Update, 1), first);
        assert_eq!(table.len(), 2);
        assert_eq!(heard(&mut table, EventKind::Destroy, 1), first);
        assert!(table.find(&first).is_none() && table.find(&other).is_some());
        assert_ne!(heard(&mut table, EventKind::New, 1), first, "a successor is another flow");
        assert_eq!(table.end(&other).map(|flow| flow.key()), Some(other));
        assert_eq!(table.len(), 1);
    }

    #[test]
    fn a_change_keeps_what_it_does_not_tell() {
        let mut table = TriedTable::default();
        let mut row = flow(1);
        row.id = Some(FlowId(7));
        row.timeout = Some(30);
        row.mark = Some(Mark(0xf0));
        table.hear(EventKind::Row, &row);
        let mut event = flow(1);
        event.id = row.id;
        event.timeout = Some(180);
        table.hear(EventKind::Update, &event);
        table.mark(&row.key(), Masked::new(0x5, 0xf).unwrap());
        let flow = table.find(&row.key()).unwrap();
        assert_eq!((flow.timeout, flow.mark), (Some(180), Some(Mark(0xf5))));
        assert_eq!(table.behind(0).map(|(place, _)| place), Some(1));
        assert_eq!(table.behind(1), None);
    }
}
