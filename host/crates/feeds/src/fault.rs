//! What is wrong with an entry, and how to repair it.

use thiserror::Error;

/// What is wrong with an entry, and how to repair it. The text follows the entry itself and never has words of the file,
/// because not everybody may be allowed to read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum Fault {
    #[error("is not an address or network; write for example 192.0.2.0/24 or 2001:db8::1")]
    Nonsense,
    #[error("is a name, and names are not looked up; write its addresses")]
    Name,
    #[error("has a number that begins with 0, which some programs read as octal; remove the leading 0")]
    Zeros,
    #[error("has a port; write the address alone")]
    Port,
    #[error("has a zone after %, which a set cannot hold; write the address alone")]
    Zone,
    #[error("has a prefix that is longer than its address; write /{0} at most")]
    Length(u8),
    #[error("has a mask that is not contiguous; write a prefix length instead")]
    Mask,
    #[error("is an IPv4-mapped network wider than all of IPv4; write it in IPv4 form")]
    Mapped,
    #[error("is a range that ends before it begins; swap its ends")]
    Order,
    #[error("is a range across IPv4 and IPv6; write one range for each")]
    Families,
    #[error(
        "is wider than /{length}, the set's {key}; write a narrower network, or lower that key if you mean this one"
    )]
    Wide { length: u8, key: &'static str },
    #[error("has a port or another part beside the address, and a set has addresses only; write the address alone")]
    Parts,
    #[error("is an exception to wider networks (nomatch), and a set has none; write the networks around it")]
    Exception,
    #[error("has a timeout that is not a whole number of seconds; write for example timeout 3600")]
    Timeout,
    #[error("is a concatenation, and a set has addresses only; name the sets of addresses, for example list = \"bad\"")]
    Concatenation,
    #[error("is not an element with an address; name the sets of addresses, for example list = \"bad\"")]
    Element,
    #[error("is not a text; write the address in quotes")]
    NoText,
    #[error("is not a line of ipset save; write the output of that command")]
    NoCommand,
    #[error("changes sets, which a list cannot; write the output of ipset save")]
    Command,
    #[error("has no entry; write the output of ipset save")]
    NoEntry,
    #[error("has a quote without an end; end it on the same line")]
    Quote,
    #[error("has fewer columns than the one of the address; write all columns")]
    Columns,
    #[error("is not an object of JSON; write one object on each line")]
    NoObject,
    #[error("has no field with an address; name that field, for example address-column = \"cidr\"")]
    NoField,
    #[error("has several fields that may hold the address; name one, for example address-column = \"cidr\"")]
    Fields,
    #[error("is not UTF-8; save the file as UTF-8, with one address or network a line")]
    NoUtf8,
    #[error("is a line of more than {0} bytes; write one address or network a line")]
    Long(usize),
    #[error("is a NUL byte, so the file is no text; name the list itself")]
    Nul,
    #[error("is a carriage return within the line; end lines with a line feed")]
    Return,
}
