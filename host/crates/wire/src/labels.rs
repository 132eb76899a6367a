//! The 128 connection label bits (`CTA_LABELS`, `CTA_LABELS_MASK`).
//!
//! They are a copy of the kernel's `unsigned long labels[]` in memory: the only attribute of an entry in host byte
//! order.

use core::mem::size_of;

use crate::attribute::{Attribute, Naming};
use crate::emit::Emit;
use crate::error::{DecodeError, Expected, Found};

/// `NF_CT_LABELS_MAX_SIZE`: the size of all labels of an entry, in bytes.
const BYTES: usize = 16;

/// Reads the bits. Older kernels send fewer words if fewer bits are in use; the other bits are zero.
pub(crate) fn read(attribute: Attribute<'_>, naming: Naming) -> Result<u128, DecodeError> {
    let payload = attribute.payload;
    if payload.len() > BYTES {
        return Err(attribute.error(naming, Expected::AtMost(BYTES), Found::Bytes(payload.len())));
    }
    let (words, rest) = payload.as_chunks::<{ size_of::<usize>() }>();
    if !rest.is_empty() {
        let whole = payload.len().next_multiple_of(size_of::<usize>());
        return Err(attribute.error(naming, Expected::Bytes(whole), Found::Bytes(payload.len())));
    }
    let bits =
        words.iter().rev().fold(0, |bits: u128, &word| bits << usize::BITS | widened(usize::from_ne_bytes(word)));
    Ok(bits)
}

pub(crate) fn write(message: &mut Emit<'_>, number: u16, bits: u128) {
    let mut payload = [0; BYTES];
    let (words, _) = payload.as_chunks_mut::<{ size_of::<usize>() }>();
    let mut rest = bits;
    for word in words {
        *word = lowest(rest).to_ne_bytes();
        rest >>= usize::BITS;
    }
    message.bytes(number, &payload);
}

/// No word is wider than 128 bits.
const fn widened(word: usize) -> u128 {
    word as u128
}

const fn lowest(bits: u128) -> usize {
    (bits & usize::MAX as u128) as usize
}
