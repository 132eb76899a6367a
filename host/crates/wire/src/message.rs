//! Netlink framing: the messages of one read.
//!
//! Bytes from the kernel enter the crate here. Everything borrows from the read buffer.

use crate::error::{DecodeError, Expected, Found, Path};

/// Length of `struct nlmsghdr`.
pub(crate) const HEADER: usize = 16;

/// `NFNL_SUBSYS_CTNETLINK` and `NFNL_SUBSYS_CTNETLINK_EXP` (linux/netfilter/nfnetlink.h), at their position in
/// `nlmsg_type`.
pub(crate) const CONNTRACK: u16 = 1 << 8;
pub(crate) const EXPECTATION: u16 = 2 << 8;

/// Flags of a message (`NLM_F_*`, linux/netlink.h).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags(pub u16);

impl Flags {
    /// `NLM_F_REQUEST`: the message is a request.
    pub const REQUEST: Self = Self(0x1);
    /// `NLM_F_MULTI`: more messages follow until a done message.
    pub const MULTI: Self = Self(0x2);
    /// `NLM_F_ACK`: the kernel answers success as well as errors.
    pub const ACK: Self = Self(0x4);
    /// `NLM_F_ECHO`: the kernel also sends the event of a change to the requesting socket.
    pub const ECHO: Self = Self(0x8);
    /// `NLM_F_DUMP_INTR`: the dump was inconsistent.
    pub const DUMP_INTERRUPTED: Self = Self(0x10);
    /// `NLM_F_DUMP_FILTERED`: the kernel applied the requested filter.
    pub const DUMP_FILTERED: Self = Self(0x20);
    /// `NLM_F_DUMP`, in a request: list the table.
    pub const DUMP: Self = Self(0x300);
    /// `NLM_F_EXCL`. In a request: fail if the entry exists. In an event: the entry did not exist.
    pub const EXCLUSIVE: Self = Self(0x200);
    /// `NLM_F_CREATE`. In a request: create the entry. In an event: the entry was created.
    pub const CREATE: Self = Self(0x400);
    /// `NLM_F_CAPPED`, in an answer: only the header of the refused request is repeated.
    pub const CAPPED: Self = Self(0x100);
    /// `NLM_F_ACK_TLVS`, in an answer: attributes follow.
    pub const ANSWER_ATTRIBUTES: Self = Self(0x200);

    /// Whether all bits of `other` are set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// `struct nlmsghdr` (linux/netlink.h), in host byte order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Length of the message with this header (`nlmsg_len`).
    pub length: u32,
    /// Type of the message (`nlmsg_type`).
    pub kind: u16,
    pub flags: Flags,
    /// Sequence number of the answered request, or of the event on its socket (`nlmsg_seq`).
    pub sequence: u32,
    /// Port of the socket that caused the message; 0 is the kernel itself (`nlmsg_pid`).
    pub port: u32,
}

impl Header {
    pub(crate) fn read(bytes: &[u8; HEADER]) -> Self {
        let &[l0, l1, l2, l3, k0, k1, f0, f1, s0, s1, s2, s3, p0, p1, p2, p3] = bytes;
        Self {
            length: u32::from_ne_bytes([l0, l1, l2, l3]),
            kind: u16::from_ne_bytes([k0, k1]),
            flags: Flags(u16::from_ne_bytes([f0, f1])),
            sequence: u32::from_ne_bytes([s0, s1, s2, s3]),
            port: u32::from_ne_bytes([p0, p1, p2, p3]),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    pub header: Header,
    /// The bytes after the header, without padding.
    pub payload: &'a [u8],
}

impl<'a> Message<'a> {
    /// Splits `struct nfgenmsg` off the payload.
    pub(crate) fn generic(&self) -> Result<(Generic, &'a [u8]), DecodeError> {
        match self.payload.split_first_chunk() {
            Some((&[family, version, r0, r1], rest)) => {
                Ok((Generic { family, version, resource: u16::from_be_bytes([r0, r1]) }, rest))
            }
            None => Err(DecodeError {
                path: Path::MESSAGE,
                offset: HEADER,
                expected: Expected::AtLeast(GENERIC),
                found: Found::Bytes(self.payload.len()),
            }),
        }
    }
}

/// Length of `struct nfgenmsg`.
pub(crate) const GENERIC: usize = 4;

/// The header behind the netlink header, `struct nfgenmsg` (linux/netfilter/nfnetlink.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Generic {
    pub(crate) family: u8,
    pub(crate) version: u8,
    pub(crate) resource: u16,
}

/// Iterator over the messages of one read. It ends after the first message that does not fit into the bytes.
#[derive(Clone, Debug)]
pub struct Messages<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Messages<'a> {
    /// Iterates over the messages in the bytes of one read.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, offset: 0 }
    }

    #[cold]
    fn broken(&mut self, expected: usize, found: usize) -> DecodeError {
        self.rest = &[];
        DecodeError {
            path: Path::MESSAGE,
            offset: self.offset,
            expected: Expected::AtLeast(expected),
            found: Found::Bytes(found),
        }
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, DecodeError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let Some(header) = self.rest.first_chunk() else {
            let found = self.rest.len();
            return Some(Err(self.broken(HEADER, found)));
        };
        let header = Header::read(header);
        let length = usize::try_from(header.length).unwrap_or(usize::MAX);
        let Some(payload) = self.rest.get(HEADER..length) else {
            let (expected, found) = if length < HEADER { (HEADER, length) } else { (length, self.rest.len()) };
            return Some(Err(self.broken(expected, found)));
        };
        // The message fits into the bytes, so the sum cannot overflow. The last one may lack its padding
        // (`NLMSG_ALIGN`).
        let padded = length.next_multiple_of(4);
        self.rest = self.rest.get(padded..).unwrap_or_default();
        self.offset = self.offset.saturating_add(padded);
        Some(Ok(Message { header, payload }))
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    const NLMSG_NOOP: u16 = 1;
    const NLMSG_OVERRUN: u16 = 4;

    fn message(length: u32, kind: u16, payload: &[u8]) -> Vec<u8> {
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(&[0; 10]);
        bytes.extend_from_slice(payload);
        bytes
    }

    #[test]
    fn padding_between_messages_is_skipped() {
        let bytes = [message(17, NLMSG_NOOP, &[1, 0, 0, 0]), message(16, NLMSG_OVERRUN, &[])].concat();
        let all: Result<Vec<_>, _> = Messages::new(&bytes).collect();
        let lengths: Vec<_> = all.unwrap().iter().map(|m| (m.payload.len(), m.header.kind)).collect();
        assert_eq!(lengths, [(1, NLMSG_NOOP), (0, NLMSG_OVERRUN)]);
    }

    #[test]
    fn a_length_that_lies_ends_the_walk_with_one_error() {
        for (length, expected, found) in [(15, HEADER, 15), (0, HEADER, 0), (21, 21, 20), (u32::MAX, 4_294_967_295, 20)]
        {
            let bytes = [message(16, NLMSG_NOOP, &[]), message(length, NLMSG_NOOP, &[0; 4])].concat();
            let mut walk = Messages::new(&bytes);
            assert!(walk.next().unwrap().is_ok());
            let error = walk.next().unwrap().unwrap_err();
            assert_eq!(
                (error.offset, error.expected, error.found),
                (16, Expected::AtLeast(expected), Found::Bytes(found))
            );
            assert!(walk.next().is_none());
        }
    }
}
