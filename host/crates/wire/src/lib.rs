//! The conntrack netlink codec of ctwarden: it converts between the kernel's bytes and the values of the model.
//!
//! These bytes are the only external input at full speed. The crate has no clock, no I/O and no unsafe code, and no
//! input makes it panic.
//!
//! - [`Messages`] iterates over the messages of one read; [`Message::content`] decodes the kind of each message.
//! - [`FlowView`] and [`ExpectationView`] borrow the attributes from the read buffer, without an allocation;
//!   [`FlowView::to_flow`] and [`ExpectationView::to_expectation`] convert them to values.
//! - [`request`] has one function for each request to the kernel. Each function appends to a buffer.
//! - [`KernelFilter`] is the part of a filter that the kernel applies correctly in a dump. [`ExactFilter`] is a filter
//!   that the kernel applies exactly, as a bulk delete requires. [`EventFilter`] is the part that runs in front of an
//!   event socket.
//!
//! A request and a message of the kernel about an entry have the same form, so the example decodes its own request:
//!
//! ```
//! use ctwarden_model::{Flow, Layer4, PerDirection, Protocol, Tuple};
//! use ctwarden_wire::{Content, Messages, request};
//!
//! let original = Tuple {
//!     src: [192, 0, 2, 1].into(),
//!     dst: [192, 0, 2, 2].into(),
//!     protocol: Protocol::UDP,
//!     layer4: Layer4::Ports { src: 1000, dst: 53 },
//! };
//! let mut buffer = Vec::new();
//! request::create(&mut buffer, 1, &Flow::new(PerDirection { original, reply: original.reversed() }));
//!
//! let mut read = Vec::new();
//! for message in Messages::new(&buffer) {
//!     if let Content::Conntrack(entry) = message?.content() {
//!         read.push(entry.flow.to_flow()?.tuples.original);
//!     }
//! }
//! assert_eq!(read, [original]);
//! # Ok::<(), ctwarden_wire::DecodeError>(())
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod answer;
mod attribute;
mod conntrack;
mod content;
mod counters;
mod emit;
mod entry;
mod error;
mod event_filter;
mod event_program;
mod exact_filter;
mod expectation;
mod flow_value;
mod flow_view;
mod helper;
mod kernel_filter;
mod labels;
mod message;
mod multicast_group;
mod nat;
mod nfnetlink_conntrack;
mod protocol_info;
mod report;
pub mod request;
mod security_context;
mod sequence_adjustment;
mod statistics;
mod synproxy;
mod timestamps;
mod tuple;

pub use answer::Answer;
pub use conntrack::ConntrackMessage;
pub use content::Content;
pub use entry::{Origin, write_entry};
pub use error::{DecodeError, Expected, Found, Path};
pub use event_filter::EventFilter;
pub use event_program::Instruction;
pub use exact_filter::{ExactFilter, KernelVersion};
pub use expectation::{ExpectationMessage, ExpectationView};
pub use flow_view::{FlowView, TupleFilterFlags};
pub use helper::Helper;
pub use kernel_filter::KernelFilter;
pub use message::{Flags, Header, Message, Messages};
pub use multicast_group::MulticastGroup;
pub use nat::NatRange;
pub use report::{Report, Silent};
pub use statistics::{CpuStatistics, ExpectationCpuStatistics, GlobalStatistics};
