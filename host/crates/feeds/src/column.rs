//! A column of a table, or a field of an object, and the names under which lists publish addresses.

use alloc::string::String;
use core::fmt;

/// Names of columns of addresses in published lists, without case and punctuation.
const OF_ADDRESSES: [&str; 14] = [
    "address",
    "addr",
    "cidr",
    "dstip",
    "indicator",
    "ip",
    "ipaddr",
    "ipaddress",
    "ipprefix",
    "ipv4",
    "network",
    "prefix",
    "srcip",
    "subnet",
];

/// A column of a table, or a field of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Column {
    /// The number of the column, from 1.
    Number(usize),
    /// The name of the column in the header, or of the field.
    Name(String),
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Name(name) => write!(f, "\"{name}\""),
        }
    }
}

/// Whether a published column of this name has addresses.
pub(crate) fn is_of_addresses(name: &str) -> bool {
    OF_ADDRESSES.iter().any(|known| plain(name).eq(known.chars()))
}

/// Whether two names differ only in case and punctuation.
pub(crate) fn is_named(name: &str, wanted: &str) -> bool {
    name == wanted || plain(wanted).next().is_some() && plain(name).eq(plain(wanted))
}

fn plain(name: &str) -> impl Iterator<Item = char> {
    name.chars().filter(|character| character.is_alphanumeric()).map(|character| character.to_ascii_lowercase())
}
