//! Requests to netfilter's other subsystems, and the attributes of their answers.
//!
//! The doctor reads only a few attributes of rules and hooks, and must not fail on unknown ones. So it walks over the
//! attributes itself.

use std::convert::Infallible;

use ctwarden_netlink::Protocol;
use netlink_packet_core::{
    NLM_F_DUMP, NetlinkDeserializable, NetlinkHeader, NetlinkPayload, NetlinkSerializable, NlaBuffer, NlasIterator,
};
use rustix::io::Errno;

use crate::netlink::exchange::{Connection, Request};

/// Length of `struct nfgenmsg` (linux/netfilter/nfnetlink.h).
const HEAD: usize = 4;

#[derive(Clone)]
pub(super) struct ObjectRequest {
    /// Subsystem (`NFNL_SUBSYS_*`) in the upper byte, message in the lower.
    pub(super) kind: u16,
    /// `NFPROTO_*`; 0 is all.
    pub(super) family: u8,
    /// Attributes, as bytes.
    pub(super) attributes: Vec<u8>,
}

/// A message of the answer.
pub(super) struct DumpedObject {
    /// `NFPROTO_*`.
    pub(super) family: u8,
    /// Attributes, as bytes.
    pub(super) attributes: Vec<u8>,
}

/// How often a dump is requested if it is inconsistent because the listed objects changed.
const TRIES: usize = 8;

/// The result of a dump.
pub(super) enum ObjectDump {
    /// All messages of the answer.
    All(Vec<DumpedObject>),
    /// The kernel lacks the subsystem, so the subsystem contains nothing.
    NoSubsystem,
    /// The kernel refused the dump, or the listed objects changed during each attempt.
    Failed,
}

impl ObjectDump {
    /// The messages; `None` if there was no answer.
    pub(super) fn all(self) -> Option<Vec<DumpedObject>> {
        match self {
            Self::All(messages) => Some(messages),
            Self::NoSubsystem | Self::Failed => None,
        }
    }
}

/// Requests everything that the question names.
pub(super) fn dump(question: &ObjectRequest) -> ObjectDump {
    for _ in 0..TRIES {
        let Ok(mut connection) = Connection::open(Protocol::Netfilter) else { return ObjectDump::Failed };
        let request = Request { message: question.clone(), flags: NLM_F_DUMP };
        let Some(answer) = connection.exchange(vec![request]).ok().and_then(|mut answers| answers.pop()) else {
            return ObjectDump::Failed;
        };
        match answer.errno.map(Errno::from_raw_os_error) {
            None if answer.interrupted => {}
            None => return ObjectDump::All(answer.messages),
            // nfnetlink knows no subsystem of that number.
            Some(Errno::INVAL | Errno::OPNOTSUPP) => return ObjectDump::NoSubsystem,
            Some(_) => return ObjectDump::Failed,
        }
    }
    ObjectDump::Failed
}

/// Each attribute of a list: its number and its value. A truncated attribute ends the list.
pub(super) fn attributes(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    NlasIterator::new(bytes).map_while(Result::ok).map(|attribute: NlaBuffer<&[u8]>| {
        let (kind, length) = (attribute.kind(), attribute.value_length());
        // The header of an attribute has four bytes.
        (kind, attribute.into_inner().get(HEAD..HEAD.saturating_add(length)).unwrap_or_default())
    })
}

/// The value of the first attribute of that number.
pub(super) fn find(bytes: &[u8], kind: u16) -> Option<&[u8]> {
    attributes(bytes).find(|(found, _)| *found == kind).map(|(_, value)| value)
}

/// A string value, without its zero byte.
pub(super) fn text(value: &[u8]) -> &str {
    let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
    value.get(..end).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
}

impl NetlinkSerializable for ObjectRequest {
    fn message_type(&self) -> u16 {
        self.kind
    }

    fn buffer_len(&self) -> usize {
        HEAD.saturating_add(self.attributes.len())
    }

    fn serialize(&self, buffer: &mut [u8]) {
        let head = [self.family, 0, 0, 0];
        for (to, from) in buffer.iter_mut().zip(head.iter().chain(&self.attributes)) {
            *to = *from;
        }
    }
}

impl From<ObjectRequest> for NetlinkPayload<ObjectRequest> {
    fn from(question: ObjectRequest) -> Self {
        Self::InnerMessage(question)
    }
}

impl NetlinkDeserializable for DumpedObject {
    type Error = Infallible;

    fn deserialize(_: &NetlinkHeader, payload: &[u8]) -> Result<Self, Infallible> {
        let attributes = payload.get(HEAD..).unwrap_or_default().to_vec();
        Ok(Self { family: payload.first().copied().unwrap_or_default(), attributes })
    }
}
