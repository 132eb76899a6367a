//! Flows, events, verdicts, effects and records as plain values: the types that all other parts of ctwarden share.
//!
//! They have a crate of their own, so that the codec, the engine and the sandbox use the same types without a
//! dependency on each other. The crate reads no clock, does no I/O, writes no logs and contains no unsafe code.
//!
//! A filter is evaluated against the facts that are known about a flow. The answer has three values, because an event
//! does not carry every field:
//!
//! ```
//! use ctwarden_model::{
//!     Filter, Flow, FlowId, Known, Layer4, Mark, Masked, PerDirection, Prefix, Protocol, Truth, Tuple,
//! };
//!
//! let (src, dst) = ([192, 0, 2, 7].into(), [198, 51, 100, 1].into());
//! let original = Tuple { src, dst, protocol: Protocol::TCP, layer4: Layer4::Ports { src: 40_000, dst: 443 } };
//! let mut flow = Flow { id: Some(FlowId(7)), ..Flow::new(PerDirection { original, reply: original.reversed() }) };
//!
//! let from = Filter { original_src: [Prefix::host(src)].into_iter().collect(), ..Filter::default() };
//! assert_eq!(from.evaluate(&Known::Key(&flow.key())), Truth::Yes);
//!
//! let marked = Filter { mark: Masked::new(1, 1).ok(), ..from };
//! assert_eq!(marked.evaluate(&Known::Event(&flow)), Truth::Unknown, "the event told no mark");
//! flow.mark = Some(Mark(3));
//! assert_eq!(marked.evaluate(&Known::Whole(&flow)), Truth::Yes);
//! assert!(marked.matches(&flow));
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod any_of;
mod batch;
mod claims_change;
mod counter;
mod effect;
mod event;
mod expectation;
mod facts;
mod filter;
mod filter_part;
mod flow;
mod heap;
mod list_counts;
mod member;
mod named_set;
mod nat_filter;
mod outcome;
mod part_value;
mod plugin;
mod rare_filter;
mod record;
mod report;
mod service;
mod status;
mod table;
pub mod text;
mod time;
mod truth;
mod tuple;
mod verdict;

pub use ctwarden_net::{
    DccpState, Family, Masked, MaskedError, PortRange, PortRanges, Prefix, PrefixError, PrefixMap, PrefixSet, Protocol,
    SctpState, TcpState, networks_of_range,
};

pub use any_of::AnyOf;
pub use batch::{Batch, Cause, Entries, ExpectationBatch, Extent, SetChange};
pub use claims_change::{ClaimsChange, ClaimsChangeKind};
pub use counter::{
    COUNTER_KEY_BYTES, COUNTER_NAME_BYTES, COUNTERS_MAX, CounterError, CounterKey, CounterKind, CounterSpec,
    WINDOW_SECONDS_MAX,
};
pub use effect::{Effect, EffectId, PolicyBlock, PolicyUnblock, Update};
pub use event::{Event, EventKind, EventKinds};
pub use expectation::{Expectation, ExpectationEvent, ExpectationKey};
pub use facts::{Fact, Facts, Known};
pub use filter::{Filter, SecondsRange};
pub use filter_part::{Addresses, FilterPart, InDump, KnownFrom};
pub use flow::{
    Attribute, Counters, Flow, FlowId, FlowKey, HELPER_NAME_MAX, Labels, Mark, ProtocolInfo, Rare, SequenceAdjustment,
    SynProxy, TcpFlags, Zone,
};
pub use list_counts::{ChangedSet, ListCounts};
pub use member::{Member, MemberError};
pub use named_set::NamedSet;
pub use nat_filter::{NatFilter, NatTo};
pub use outcome::{BlockRefusal, KillRefusal, Outcome, Refusal, Tally};
pub use part_value::{Networks, PartValue};
pub use plugin::{Descriptor, Fault, Grants, Mode, NameError, PluginName, Reach, ReasonCode, Subscription};
pub use rare_filter::{IcmpFilter, MaskedAddress, RareFilter};
pub use record::{FaultRecord, FoldedCount, Notice, Record, VerdictRecord};
pub use report::{Report, ReportBatch};
pub use service::{Service, ServiceError};
pub use status::Status;
pub use table::TableStatistics;
pub use time::{Now, Steady, Timestamp};
pub use truth::Truth;
pub use tuple::{Layer4, PerDirection, Tuple};
pub use verdict::{
    Action, Alert, Block, Fields, Flaw, LabelChange, Reply, Selection, SetName, Target, Unblock, Verdict, VerdictKind,
    VerdictKinds,
};
