//! A message about an entry of the table: what happened to the entry, and the view of its attributes.
//!
//! Events, rows of dumps, answers to a lookup and our own requests all have this form.

use ctwarden_model::EventKind;

use crate::error::DecodeError;
use crate::flow_view::FlowView;
use crate::message::{Flags, GENERIC, HEADER, Header, Message};
use crate::nfnetlink_conntrack::ctnl;

/// A message about an entry.
#[derive(Clone, Debug)]
pub struct ConntrackMessage<'a> {
    pub header: Header,
    /// Address family (`nfgen_family`): 2 is `AF_INET`, 10 is `AF_INET6`, 0 any.
    pub family: u8,
    /// Version of the message format (`version` of `struct nfgenmsg`).
    pub version: u8,
    pub flow: FlowView<'a>,
}

impl<'a> ConntrackMessage<'a> {
    #[inline]
    pub(crate) fn read(message: &Message<'a>) -> Result<Self, DecodeError> {
        let (generic, attributes) = message.generic()?;
        Ok(Self {
            header: message.header,
            family: generic.family,
            version: generic.version,
            flow: FlowView::new(attributes, HEADER + GENERIC),
        })
    }

    /// Returns the kind of an *event*. Rows of a dump look like updates; the caller that requested the dump knows that
    /// they are rows.
    #[must_use]
    pub const fn kind(&self) -> EventKind {
        match self.header.kind & 0xff {
            ctnl::DELETE => EventKind::Destroy,
            ctnl::NEW if self.header.flags.contains(Flags::CREATE) => EventKind::New,
            ctnl::NEW => EventKind::Update,
            _ => EventKind::Row,
        }
    }
}
