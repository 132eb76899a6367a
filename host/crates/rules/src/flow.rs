//! The flow that rules judge: plain values, which the caller copies from its own type once for each flow.

use std::net::IpAddr;

use ctwarden_net::Protocol;

/// How the host learned of the flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A row of a sweep.
    Row,
    /// The event of a new flow.
    New,
    /// The event of a changed flow.
    Update,
    /// The event of a removed flow.
    Destroy,
}

/// One direction of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ends {
    /// Address of the sender.
    pub src: IpAddr,
    /// Address of the receiver.
    pub dst: IpAddr,
    /// Port of the sender. It counts only if the protocol has ports.
    pub src_port: u16,
    /// Port of the receiver. It counts only if the protocol has ports.
    pub dst_port: u16,
}

/// Packets and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Volume {
    /// Number of packets.
    pub packets: u64,
    /// Bytes at layer 3.
    pub bytes: u64,
}

impl Volume {
    /// Adds the volume of the other direction.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self { packets: self.packets.saturating_add(other.packets), bytes: self.bytes.saturating_add(other.bytes) }
    }

    /// Returns the volume since an earlier state of the same flow.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Self {
        Self { packets: self.packets.saturating_sub(earlier.packets), bytes: self.bytes.saturating_sub(earlier.bytes) }
    }
}

/// A flow. A value that the entry did not carry is `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// How the host learned of the flow.
    pub kind: Kind,
    /// The kernel's id.
    pub id: u32,
    /// Conntrack zone.
    pub zone: u16,
    /// IP protocol.
    pub protocol: Protocol,
    /// Direction of the first packet.
    pub original: Ends,
    /// Direction of the answers, after NAT.
    pub reply: Ends,
    /// `IPS_*` bits.
    pub status: Option<u32>,
    /// State number of the protocol.
    pub state: Option<u8>,
    /// Seconds until the entry expires.
    pub timeout: Option<u32>,
    /// The mark.
    pub mark: Option<u32>,
    /// Accounting of the original direction.
    pub original_volume: Option<Volume>,
    /// Accounting of the reply direction.
    pub reply_volume: Option<Volume>,
    /// Begin of the flow, in nanoseconds since the Unix epoch.
    pub started: Option<u64>,
    /// End of the flow, in nanoseconds since the Unix epoch.
    pub stopped: Option<u64>,
    /// Time of the call, in nanoseconds since the Unix epoch.
    pub now: u64,
}

impl Flow {
    /// Returns the accounting of both directions together.
    #[must_use]
    pub fn volume(&self) -> Option<Volume> {
        match (self.original_volume, self.reply_volume) {
            (Some(original), Some(reply)) => Some(original.plus(reply)),
            (Some(one), None) | (None, Some(one)) => Some(one),
            (None, None) => None,
        }
    }
}

/// Values that a condition asks for only when it needs them, because each costs a call of the host.
pub trait Source {
    /// Turns to the flow at this place of the batch.
    fn turn_to(&mut self, place: usize);
    /// Returns the name of the connection tracking helper of the flow.
    fn helper(&mut self) -> Option<String>;
    /// Returns the label bits of the flow.
    fn labels(&mut self) -> Option<u128>;
    /// Looks up an address of the flow in a set. `lookup` is an index of [`Rules::lookups`](crate::Rules::lookups).
    fn look_up(&mut self, lookup: usize) -> Listed<'_>;
}

/// What a set says about an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listed<'a> {
    /// The set cannot be read.
    Unknown,
    /// The set does not contain the address.
    No,
    /// The set contains the address with this value, which may be empty.
    With(&'a str),
}
