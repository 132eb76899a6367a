//! The facts about a flow that a filter can use.
//!
//! A key has one tuple, an event omits what did not change, and the replica keeps no field that can change. So a field
//! has three states: known, known to be absent, and not known.

use crate::{FilterPart, Flow, FlowId, FlowKey, Labels, Mark, PerDirection, ProtocolInfo, Status, Truth, Tuple, Zone};

/// What is known of a field of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact<T> {
    Is(T),
    /// The flow has no such field, so no condition on the field holds.
    Absent,
    Unknown,
}

impl<T> Fact<T> {
    /// Whether the condition holds for the field.
    #[inline]
    pub fn holds(self, condition: impl FnOnce(T) -> bool) -> Truth {
        match self {
            Self::Is(field) => condition(field).into(),
            Self::Absent => Truth::No,
            Self::Unknown => Truth::Unknown,
        }
    }

    /// A field of a whole entry: a missing field means that the flow lacks it.
    #[inline]
    pub fn of_entry(field: Option<T>) -> Self {
        field.map_or(Self::Absent, Self::Is)
    }

    /// A field of an event: a missing field means nothing, because an event may omit it.
    #[inline]
    pub fn of_event(field: Option<T>) -> Self {
        field.map_or(Self::Unknown, Self::Is)
    }
}

/// What is known of a flow. Only the zone and the original tuple are always known.
pub trait Facts {
    /// The zone of the original direction.
    fn zone(&self) -> Zone;

    fn original(&self) -> &Tuple;

    /// The reply tuple. `None` if it is not known.
    #[inline]
    fn reply(&self) -> Option<&Tuple> {
        None
    }

    /// Whether this part found the flow, so that the part need not be compared again.
    #[inline]
    fn was_found_by(&self, _part: FilterPart) -> bool {
        false
    }

    #[inline]
    fn id(&self) -> Fact<FlowId> {
        Fact::Unknown
    }

    /// The zones of the single directions, if the directions differ.
    #[inline]
    fn direction_zones(&self) -> Fact<PerDirection<Option<Zone>>> {
        Fact::Unknown
    }

    /// The number of the protocol state, such as that of `TcpState`.
    #[inline]
    fn state(&self) -> Fact<u8> {
        Fact::Unknown
    }

    #[inline]
    fn mark(&self) -> Fact<Mark> {
        Fact::Unknown
    }

    #[inline]
    fn status(&self) -> Fact<Status> {
        Fact::Unknown
    }

    /// Seconds until the entry expires.
    #[inline]
    fn timeout(&self) -> Fact<u32> {
        Fact::Unknown
    }

    #[inline]
    fn labels(&self) -> Fact<Labels> {
        Fact::Unknown
    }
}

fn state(flow: &Flow) -> Option<u8> {
    flow.info.as_ref().and_then(ProtocolInfo::state)
}

/// A whole entry: a field that it omits is not set.
impl Facts for Flow {
    #[inline]
    fn zone(&self) -> Zone {
        self.zone
    }

    #[inline]
    fn original(&self) -> &Tuple {
        &self.tuples.original
    }

    #[inline]
    fn reply(&self) -> Option<&Tuple> {
        Some(&self.tuples.reply)
    }

    #[inline]
    fn id(&self) -> Fact<FlowId> {
        Fact::of_entry(self.id)
    }

    #[inline]
    fn direction_zones(&self) -> Fact<PerDirection<Option<Zone>>> {
        Fact::Is(self.rare.as_ref().map(|rare| rare.zones).unwrap_or_default())
    }

    #[inline]
    fn state(&self) -> Fact<u8> {
        Fact::of_entry(state(self))
    }

    #[inline]
    fn mark(&self) -> Fact<Mark> {
        Fact::of_entry(self.mark)
    }

    #[inline]
    fn status(&self) -> Fact<Status> {
        Fact::of_entry(self.status)
    }

    #[inline]
    fn timeout(&self) -> Fact<u32> {
        Fact::of_entry(self.timeout)
    }

    #[inline]
    fn labels(&self) -> Fact<Labels> {
        Fact::of_entry(self.labels)
    }
}

/// A flow, known by its key, by an event or by its entry.
#[derive(Clone, Copy, Debug)]
pub enum Known<'a> {
    /// The key of the flow: one tuple, zone and id.
    Key(&'a FlowKey),
    /// An event: a field that it omits may still be set.
    Event(&'a Flow),
    /// A dump entry, or an entry from a lookup: a field that it omits is not set.
    Whole(&'a Flow),
}

impl Known<'_> {
    /// A field that only entries and events carry.
    fn field<T>(&self, field: impl Fn(&Flow) -> Option<T>) -> Fact<T> {
        match self {
            Self::Key(_) => Fact::Unknown,
            Self::Event(flow) => Fact::of_event(field(flow)),
            Self::Whole(flow) => Fact::of_entry(field(flow)),
        }
    }
}

impl Facts for Known<'_> {
    fn zone(&self) -> Zone {
        match self {
            Self::Key(key) => key.zone,
            Self::Event(flow) | Self::Whole(flow) => flow.zone,
        }
    }

    fn original(&self) -> &Tuple {
        match self {
            Self::Key(key) => &key.original,
            Self::Event(flow) | Self::Whole(flow) => &flow.tuples.original,
        }
    }

    fn reply(&self) -> Option<&Tuple> {
        match self {
            Self::Key(_) => None,
            Self::Event(flow) | Self::Whole(flow) => Some(&flow.tuples.reply),
        }
    }

    fn id(&self) -> Fact<FlowId> {
        match self {
            Self::Key(key) => Fact::Is(key.id),
            Self::Event(_) | Self::Whole(_) => self.field(|flow| flow.id),
        }
    }

    fn direction_zones(&self) -> Fact<PerDirection<Option<Zone>>> {
        match self {
            Self::Key(_) | Self::Event(_) => Fact::Unknown,
            Self::Whole(flow) => flow.direction_zones(),
        }
    }

    fn state(&self) -> Fact<u8> {
        self.field(state)
    }

    fn mark(&self) -> Fact<Mark> {
        self.field(|flow| flow.mark)
    }

    fn status(&self) -> Fact<Status> {
        self.field(|flow| flow.status)
    }

    fn timeout(&self) -> Fact<u32> {
        self.field(|flow| flow.timeout)
    }

    fn labels(&self) -> Fact<Labels> {
        self.field(|flow| flow.labels)
    }
}
