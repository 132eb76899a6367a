//! One netlink attribute (`struct nlattr`), and the iterator over many.
//!
//! The walk is the innermost loop of all decoding. It borrows and never allocates. It ends at the first bytes that make
//! no sense, and the attributes before them stay valid.

use core::str;

use crate::error::{DecodeError, Expected, Found, Path};

/// Length and number in front of each attribute, in host byte order.
pub(crate) const HEADER: usize = 4;

/// `NLA_F_NESTED`: the payload is attributes.
pub(crate) const NESTED: u16 = 1 << 15;

/// `NLA_TYPE_MASK`: the number without `NLA_F_NESTED` and `NLA_F_NET_BYTEORDER`.
const NUMBER: u16 = 0x3fff;

/// Maps a number to its name: one of the `name` functions of the header's tables.
pub(crate) type Naming = fn(u16) -> &'static str;

/// One attribute, borrowed from the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attribute<'a> {
    pub(crate) number: u16,
    /// Offset of the attribute's header in the netlink message.
    pub(crate) offset: usize,
    pub(crate) payload: &'a [u8],
}

impl<'a> Attribute<'a> {
    #[cold]
    pub(crate) fn error(self, naming: Naming, expected: Expected, found: Found) -> DecodeError {
        DecodeError { path: Path::of(naming(self.number)), offset: self.offset, expected, found }
    }

    /// Returns the payload, which must have exactly this length.
    #[inline]
    pub(crate) fn exactly<const N: usize>(self, naming: Naming) -> Result<[u8; N], DecodeError> {
        match self.payload.try_into() {
            Ok(bytes) => Ok(bytes),
            Err(_) => Err(self.error(naming, Expected::Bytes(N), Found::Bytes(self.payload.len()))),
        }
    }

    #[inline]
    pub(crate) fn byte(self, naming: Naming) -> Result<u8, DecodeError> {
        let [byte] = self.exactly(naming)?;
        Ok(byte)
    }

    /// Returns two bytes unchanged.
    #[inline]
    pub(crate) fn two_bytes(self, naming: Naming) -> Result<[u8; 2], DecodeError> {
        self.exactly(naming)
    }

    /// Returns a 16-bit number in network byte order.
    #[inline]
    pub(crate) fn be16(self, naming: Naming) -> Result<u16, DecodeError> {
        Ok(u16::from_be_bytes(self.exactly(naming)?))
    }

    /// Returns a 32-bit number in network byte order.
    #[inline]
    pub(crate) fn be32(self, naming: Naming) -> Result<u32, DecodeError> {
        Ok(u32::from_be_bytes(self.exactly(naming)?))
    }

    /// Returns a 32-bit number in host byte order.
    #[inline]
    pub(crate) fn ne32(self, naming: Naming) -> Result<u32, DecodeError> {
        Ok(u32::from_ne_bytes(self.exactly(naming)?))
    }

    /// Returns a 64-bit number in network byte order.
    #[inline]
    pub(crate) fn be64(self, naming: Naming) -> Result<u64, DecodeError> {
        Ok(u64::from_be_bytes(self.exactly(naming)?))
    }

    /// Returns the text up to its closing zero, or all of it if there is no zero.
    pub(crate) fn text(self, naming: Naming) -> Result<&'a str, DecodeError> {
        let bytes = self.payload.split(|&byte| byte == 0).next().unwrap_or_default();
        str::from_utf8(bytes).map_err(|_| self.error(naming, Expected::Text, Found::OtherBytes(self.payload.len())))
    }

    #[inline]
    pub(crate) const fn nested(self) -> Attributes<'a> {
        Attributes::new(self.payload, self.offset.saturating_add(HEADER))
    }
}

/// Iterator over attributes. It ends at the first attribute that does not fit; [`Attributes::broken`] then has the
/// error.
#[derive(Clone, Debug)]
pub(crate) struct Attributes<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Attributes<'a> {
    /// Iterates over the attributes in `bytes`. The first one begins at `offset` in the netlink message.
    pub(crate) const fn new(bytes: &'a [u8], offset: usize) -> Self {
        Self { rest: bytes, offset }
    }

    /// After the walk: the error that ended it early.
    #[inline]
    pub(crate) fn broken(&self) -> Option<DecodeError> {
        if self.rest.is_empty() { None } else { Some(self.broken_header()) }
    }

    #[cold]
    fn broken_header(&self) -> DecodeError {
        let claimed = self.rest.first_chunk().map(|&[a, b]| usize::from(u16::from_ne_bytes([a, b])));
        let (expected, found) = match claimed {
            Some(claimed) if self.rest.len() >= HEADER && claimed >= HEADER => (claimed, self.rest.len()),
            Some(claimed) if self.rest.len() >= HEADER => (HEADER, claimed),
            Some(_) | None => (HEADER, self.rest.len()),
        };
        DecodeError {
            path: Path::MESSAGE,
            offset: self.offset,
            expected: Expected::AtLeast(expected),
            found: Found::Bytes(found),
        }
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Attribute<'a>;

    #[inline]
    fn next(&mut self) -> Option<Attribute<'a>> {
        let &[l0, l1, n0, n1] = self.rest.first_chunk::<HEADER>()?;
        let length = usize::from(u16::from_ne_bytes([l0, l1]));
        let attribute = Attribute {
            number: u16::from_ne_bytes([n0, n1]) & NUMBER,
            offset: self.offset,
            payload: self.rest.get(HEADER..length)?,
        };
        // The last attribute may lack its padding (`NLA_ALIGN`).
        let padded = ((length + 3) & !3).min(self.rest.len());
        self.rest = self.rest.get(padded..).unwrap_or_default();
        self.offset = self.offset.saturating_add(padded);
        Some(attribute)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    fn attribute(number: u16, payload: &[u8]) -> Vec<u8> {
        let length = u16::try_from(payload.len() + HEADER).unwrap();
        let mut bytes = [length.to_ne_bytes(), number.to_ne_bytes()].concat();
        bytes.extend_from_slice(payload);
        bytes.resize(bytes.len().next_multiple_of(4), 0xee);
        bytes
    }

    #[test]
    fn walks_over_padding_and_drops_flags() {
        let bytes = [attribute(1 | NESTED, &[7]), attribute(2, &[]), attribute(3, &[1, 2, 3, 4])].concat();
        let mut walk = Attributes::new(&bytes, 20);
        let seen: Vec<_> = walk.by_ref().map(|a| (a.number, a.offset, a.payload.len())).collect();
        assert_eq!(seen, [(1, 20, 1), (2, 28, 0), (3, 32, 4)]);
        assert_eq!(walk.broken(), None);
    }

    #[test]
    fn the_last_attribute_may_lack_its_padding() {
        let mut bytes = attribute(1, &[7]);
        bytes.truncate(5);
        let mut walk = Attributes::new(&bytes, 0);
        assert_eq!(walk.next().map(|a| a.payload), Some(&[7][..]));
        assert_eq!((walk.next(), walk.broken()), (None, None));
    }

    #[test]
    fn a_broken_header_ends_the_walk_and_is_told() {
        let told = |bytes: &[u8]| {
            let mut walk = Attributes::new(bytes, 100);
            walk.by_ref().for_each(drop);
            let error = walk.broken().unwrap();
            (error.offset, error.expected, error.found)
        };
        let good = attribute(1, &[0; 4]);
        let long = [&good[..], &9u16.to_ne_bytes(), &[0; 6]].concat();
        assert_eq!(told(&long), (108, Expected::AtLeast(9), Found::Bytes(8)));
        let short = [&good[..], &3u16.to_ne_bytes(), &[0; 6]].concat();
        assert_eq!(told(&short), (108, Expected::AtLeast(HEADER), Found::Bytes(3)));
        let cut = [&good[..], &[1]].concat();
        assert_eq!(told(&cut), (108, Expected::AtLeast(HEADER), Found::Bytes(1)));
    }
}
