//! The kernel's answer to a request: acknowledged or refused, and the reason (`NLMSG_ERROR`, `NLMSG_DONE`).
//!
//! If `NETLINK_EXT_ACK` is set on the socket, a refusal may carry a text and the offset of the fault in the request.

use crate::attribute::Attributes;
use crate::error::{DecodeError, Expected, Found, Path};
use crate::message::{Flags, HEADER, Header, Message};

/// `enum nlmsgerr_attrs` (linux/netlink.h).
const NLMSGERR_ATTR_MSG: u16 = 1;
const NLMSGERR_ATTR_OFFS: u16 = 2;

/// Length of the `int error` in front of the repeated request.
const ERRNO: usize = 4;

/// An acknowledgement or a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer<'a> {
    /// 0 for an acknowledgement, else the positive errno.
    pub errno: i32,
    /// Header of the request.
    pub request: Header,
    /// The kernel's text about the request.
    pub text: Option<&'a str>,
    /// Offset of the fault in the request, in bytes from its header.
    pub offset: Option<u32>,
}

impl Answer<'_> {
    /// Sequence number of the request.
    #[must_use]
    pub const fn sequence(&self) -> u32 {
        self.request.sequence
    }

    /// Whether the answer is an acknowledgement.
    #[must_use]
    pub const fn is_ack(&self) -> bool {
        self.errno == 0
    }
}

fn short(message: &Message<'_>, expected: usize) -> DecodeError {
    DecodeError {
        path: Path::MESSAGE,
        offset: HEADER,
        expected: Expected::AtLeast(expected),
        found: Found::Bytes(message.payload.len()),
    }
}

/// Reads the payload of an answer, `struct nlmsgerr` (linux/netlink.h).
pub(crate) fn read_answer<'a>(message: &Message<'a>) -> Result<Answer<'a>, DecodeError> {
    let too_short = || short(message, ERRNO + HEADER);
    let (error, rest) = message.payload.split_first_chunk().ok_or_else(too_short)?;
    let (request, body) = rest.split_first_chunk().ok_or_else(too_short)?;
    let request = Header::read(request);
    // An acknowledgement repeats only the header, whatever its length field says (`netlink_ack_tlv_fill`).
    let errno = positive(*error);
    let repeated = if errno == 0 || message.header.flags.contains(Flags::CAPPED) {
        0
    } else {
        let length = usize::try_from(request.length).unwrap_or(usize::MAX);
        length.saturating_sub(HEADER).checked_next_multiple_of(4).unwrap_or(usize::MAX)
    };
    let (text, offset) = match body.get(repeated..) {
        Some(attributes) if message.header.flags.contains(Flags::ANSWER_ATTRIBUTES) => remarks(attributes),
        Some(_) | None => (None, None),
    };
    Ok(Answer { errno, request, text, offset })
}

/// Reads the status at the end of a dump. A done message without a status means success.
pub(crate) fn read_done(message: &Message<'_>) -> Result<i32, DecodeError> {
    match message.payload.first_chunk() {
        Some(status) => Ok(positive(*status)),
        None if message.payload.is_empty() => Ok(0),
        None => Err(short(message, ERRNO)),
    }
}

/// The kernel writes errno as a negative number.
const fn positive(error: [u8; ERRNO]) -> i32 {
    i32::from_ne_bytes(error).saturating_abs()
}

fn remarks(attributes: &[u8]) -> (Option<&str>, Option<u32>) {
    let naming = |_| "NLMSGERR_ATTR";
    let mut remarks = (None, None);
    for attribute in Attributes::new(attributes, 0) {
        match attribute.number {
            NLMSGERR_ATTR_MSG => remarks.0 = attribute.text(naming).ok(),
            NLMSGERR_ATTR_OFFS => remarks.1 = attribute.ne32(naming).ok(),
            _ => {}
        }
    }
    remarks
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::{Content, Messages};

    /// An answer to a request of 28 bytes with sequence number 9.
    fn answer(error: i32, flags: Flags, after: &[&[u8]]) -> Vec<u8> {
        let mut request = 28u32.to_ne_bytes().to_vec();
        request.extend_from_slice(&[0; 4]);
        request.extend_from_slice(&9u32.to_ne_bytes());
        request.extend_from_slice(&[0; 4]);
        let body = [&error.to_ne_bytes()[..], &request, &after.concat()].concat();
        let mut bytes = u32::try_from(body.len() + HEADER).unwrap().to_ne_bytes().to_vec();
        bytes.extend_from_slice(&2u16.to_ne_bytes());
        bytes.extend_from_slice(&flags.0.to_ne_bytes());
        bytes.extend_from_slice(&[0; 8]);
        bytes.extend_from_slice(&body);
        bytes
    }

    fn read(bytes: &[u8]) -> (i32, u32, Option<&str>, Option<u32>) {
        let content = Messages::new(bytes).next().unwrap().unwrap().content();
        let Content::Answer(answer) = content else { panic!("{content:?}") };
        (answer.errno, answer.sequence(), answer.text, answer.offset)
    }

    const REMARKS: &[u8] = if cfg!(target_endian = "little") {
        b"\x08\0\x01\0bad\0\x08\0\x02\0\x1c\0\0\0"
    } else {
        b"\0\x08\0\x01bad\0\0\x08\0\x02\0\0\0\x1c"
    };

    #[test]
    fn remarks_follow_the_repeated_request_or_its_header() {
        let tlvs = Flags::ANSWER_ATTRIBUTES;
        assert_eq!(read(&answer(-22, tlvs, &[&[0xaa; 12], REMARKS])), (22, 9, Some("bad"), Some(28)));
        assert_eq!(read(&answer(-22, tlvs.with(Flags::CAPPED), &[REMARKS])), (22, 9, Some("bad"), Some(28)));
        assert_eq!(read(&answer(0, tlvs, &[REMARKS])), (0, 9, Some("bad"), Some(28)));
        assert_eq!(read(&answer(-2, Flags(0), &[&[0xaa; 12]])), (2, 9, None, None));
        assert_eq!(read(&answer(-2, tlvs, &[])), (2, 9, None, None));
    }

    #[test]
    fn the_least_errno_does_not_overflow() {
        assert_eq!(read(&answer(i32::MIN, Flags(0), &[])).0, i32::MAX);
    }
}
