//! Decode errors as data.
//!
//! An error has the path of the attribute, its offset in the message, the expected content and the actual content. So a
//! counter, a log line and a test can each use the parts that they need.

use core::fmt;

use thiserror::Error;

/// Deepest nesting of attributes: `CTA_EXPECT_NAT/CTA_EXPECT_NAT_TUPLE/CTA_TUPLE_IP/CTA_IP_V4_SRC`.
const DEPTH: usize = 4;

/// Names of attributes from the outermost to the faulty one. Empty for the message itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Path {
    names: [&'static str; DEPTH],
    depth: usize,
}

impl Path {
    pub(crate) const MESSAGE: Self = Self { names: [""; DEPTH], depth: 0 };

    pub(crate) const fn of(name: &'static str) -> Self {
        Self { names: [name, "", "", ""], depth: 1 }
    }

    /// Returns the path with one more name in front. The path has room for the deepest nesting; a name too many drops
    /// the last one.
    fn within(self, parent: &'static str) -> Self {
        let [a, b, c, _] = self.names;
        Self { names: [parent, a, b, c], depth: DEPTH.min(self.depth.saturating_add(1)) }
    }

    /// The names, outermost first.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.names.into_iter().take(self.depth)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.depth == 0 {
            return f.write_str("netlink message");
        }
        for (index, name) in self.names().enumerate() {
            if index > 0 {
                f.write_str("/")?;
            }
            f.write_str(name)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The content that a decoder expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Exactly this many bytes.
    Bytes(usize),
    /// At least this many bytes.
    AtLeast(usize),
    /// At most this many bytes.
    AtMost(usize),
    /// Text that is valid UTF-8.
    Text,
    Attribute(&'static str),
    /// Two addresses of one family.
    OneFamily,
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "{bytes} bytes"),
            Self::AtLeast(bytes) => write!(f, "at least {bytes} bytes"),
            Self::AtMost(bytes) => write!(f, "at most {bytes} bytes"),
            Self::Text => f.write_str("text in UTF-8"),
            Self::Attribute(name) => f.write_str(name),
            Self::OneFamily => f.write_str("two addresses of one family"),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// A payload of this length, which is not the length of the attribute.
    Bytes(usize),
    /// This many bytes with the wrong content.
    OtherBytes(usize),
    Nothing,
    /// An IPv4 and an IPv6 address.
    TwoFamilies,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "{bytes} bytes"),
            Self::OtherBytes(bytes) => write!(f, "{bytes} other bytes"),
            Self::Nothing => f.write_str("nothing"),
            Self::TwoFamilies => f.write_str("one of each"),
        }
    }
}

/// Why a message or an attribute could not be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{path} at byte {offset}: expected {expected}, found {found}")]
pub struct DecodeError {
    pub path: Path,
    /// Offset of the faulty part in bytes, from the start of the netlink message. If the header of a message is faulty,
    /// from the start of the buffer.
    pub offset: usize,
    pub expected: Expected,
    pub found: Found,
}

impl DecodeError {
    /// The error as its parent attribute sees it.
    pub(crate) fn within(self, parent: &'static str) -> Self {
        Self { path: self.path.within(parent), ..self }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn an_error_reads_as_a_sentence() {
        let error = DecodeError {
            path: Path::of("CTA_PROTO_NUM"),
            offset: 40,
            expected: Expected::Bytes(1),
            found: Found::Bytes(2),
        };
        let error = error.within("CTA_TUPLE_PROTO").within("CTA_TUPLE_ORIG");
        assert_eq!(
            error.to_string(),
            "CTA_TUPLE_ORIG/CTA_TUPLE_PROTO/CTA_PROTO_NUM at byte 40: expected 1 bytes, found 2 bytes"
        );
        assert_eq!(
            DecodeError { path: Path::MESSAGE, offset: 0, expected: Expected::AtLeast(16), found: Found::Nothing }
                .to_string(),
            "netlink message at byte 0: expected at least 16 bytes, found nothing"
        );
    }
}
