//! Writes one netlink message at the end of a buffer.
//!
//! It only appends and never reads the earlier content of the buffer. So many messages go into one send, and a buffer
//! can be reused.

use alloc::vec::Vec;

use crate::attribute::{HEADER, NESTED};

/// Longest payload that is written. Nothing in this subsystem takes more than a few dozen bytes (helper names 16,
/// private data of helpers 32, labels 16). So the kernel refuses a longer payload whether it is cut or not. Cutting
/// keeps every length field within its 16 bits.
const PAYLOAD_MAX: usize = 4096;

/// The headers in front of the attributes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    /// Subsystem and message (`nlmsg_type`).
    pub(crate) kind: u16,
    /// The `NLM_F_*` bits (`nlmsg_flags`).
    pub(crate) flags: u16,
    /// Number of the request, which its answers repeat (`nlmsg_seq`).
    pub(crate) sequence: u32,
    /// Netlink port of the sender (`nlmsg_pid`).
    pub(crate) port: u32,
    /// Address family, an `AF_*` number (`nfgen_family`).
    pub(crate) family: u8,
    /// `version` of `struct nfgenmsg`.
    pub(crate) version: u8,
}

/// A message that is being written.
pub(crate) struct Emit<'b> {
    buffer: &'b mut Vec<u8>,
}

impl Emit<'_> {
    /// Appends one message to the buffer.
    pub(crate) fn message(buffer: &mut Vec<u8>, head: Head, attributes: impl FnOnce(&mut Emit<'_>)) {
        // `NLMSG_ALIGN`: the previous message may have ended at any offset.
        buffer.resize(buffer.len().next_multiple_of(4), 0);
        let start = buffer.len();
        buffer.extend_from_slice(&[0; 4]);
        buffer.extend_from_slice(&head.kind.to_ne_bytes());
        buffer.extend_from_slice(&head.flags.to_ne_bytes());
        buffer.extend_from_slice(&head.sequence.to_ne_bytes());
        buffer.extend_from_slice(&head.port.to_ne_bytes());
        // res_id 0 in network byte order.
        buffer.extend_from_slice(&[head.family, head.version, 0, 0]);
        attributes(&mut Emit { buffer });
        let length = buffer.len().saturating_sub(start);
        if let Some(field) = buffer.get_mut(start..).and_then(|message| message.first_chunk_mut()) {
            // No message here comes near 4 GiB: the size and number of payloads are bounded.
            *field = u32::try_from(length).unwrap_or(u32::MAX).to_ne_bytes();
        }
    }

    /// Writes an attribute that contains attributes.
    pub(crate) fn nest(&mut self, number: u16, attributes: impl FnOnce(&mut Emit<'_>)) {
        let start = self.buffer.len();
        self.header(0, number | NESTED);
        attributes(&mut Emit { buffer: self.buffer });
        let length = self.buffer.len().saturating_sub(start);
        if let Some(field) = self.buffer.get_mut(start..).and_then(|attribute| attribute.first_chunk_mut()) {
            // The largest nest contains two payloads of at most PAYLOAD_MAX.
            *field = u16::try_from(length).unwrap_or(u16::MAX).to_ne_bytes();
        }
    }

    /// Writes an attribute with this payload.
    pub(crate) fn bytes(&mut self, number: u16, payload: &[u8]) {
        let payload = payload.get(..PAYLOAD_MAX).unwrap_or(payload);
        let length = payload.len().saturating_add(HEADER);
        self.header(u16::try_from(length).unwrap_or(u16::MAX), number);
        self.buffer.extend_from_slice(payload);
        self.buffer.resize(self.buffer.len().next_multiple_of(4), 0);
    }

    fn header(&mut self, length: u16, number: u16) {
        self.buffer.extend_from_slice(&length.to_ne_bytes());
        self.buffer.extend_from_slice(&number.to_ne_bytes());
    }

    pub(crate) fn byte(&mut self, number: u16, value: u8) {
        self.bytes(number, &[value]);
    }

    /// Writes 16 bits in network byte order.
    pub(crate) fn be16(&mut self, number: u16, value: u16) {
        self.bytes(number, &value.to_be_bytes());
    }

    /// Writes 32 bits in network byte order.
    pub(crate) fn be32(&mut self, number: u16, value: u32) {
        self.bytes(number, &value.to_be_bytes());
    }

    /// Writes 32 bits in host byte order.
    pub(crate) fn ne32(&mut self, number: u16, value: u32) {
        self.bytes(number, &value.to_ne_bytes());
    }

    /// Writes 64 bits in network byte order.
    pub(crate) fn be64(&mut self, number: u16, value: u64) {
        self.bytes(number, &value.to_be_bytes());
    }

    /// Writes text with its closing zero.
    pub(crate) fn text(&mut self, number: u16, text: &str) {
        let mut bytes = Vec::with_capacity(text.len().saturating_add(1));
        bytes.extend_from_slice(text.as_bytes());
        bytes.push(0);
        self.bytes(number, &bytes);
    }
}
