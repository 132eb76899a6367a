//! One line of a plain list: an address, a network or a range, and the value after it.

use std::net::{IpAddr, Ipv4Addr};

use ctwarden_model::{Family, Prefix, PrefixError};
use thiserror::Error;

use super::excerpt::excerpt;
use super::range;

/// The beginnings of a comment.
const COMMENTS: [&str; 3] = ["#", ";", "//"];

/// Shortest prefixes of a set. A wider network is a mistake or part of an unfinished line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shortest {
    /// Shortest IPv4 prefix that a line may have.
    pub(crate) ipv4: u8,
    /// Shortest IPv6 prefix that a line may have.
    pub(crate) ipv6: u8,
}

impl Default for Shortest {
    /// Wider networks are rarely allocated to anybody, and an unfinished line may name one.
    fn default() -> Self {
        Self { ipv4: 8, ipv6: 16 }
    }
}

impl Shortest {
    fn check(self, network: Prefix) -> Result<(), What> {
        let (length, key) = match network.family() {
            Family::Ipv4 => (self.ipv4, "shortest-ipv4-prefix"),
            Family::Ipv6 => (self.ipv6, "shortest-ipv6-prefix"),
        };
        if network.length() < length { Err(What::Wide { length, key }) } else { Ok(()) }
    }
}

/// The content of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// The networks: one, or those that form a range.
    pub(crate) networks: Vec<Prefix>,
    /// The text after the networks; may be empty.
    pub(crate) value: String,
    /// Whether the address had bits after the prefix length; they are ignored.
    pub(crate) host_bits: bool,
}

/// A mistake in a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
    word: String,
    what: What,
}

impl Mistake {
    /// The message for people. It contains text of the file only if everybody may read the file.
    pub(crate) fn told(&self, disclosed: bool) -> String {
        let Self { word, what } = self;
        if disclosed {
            format!("\"{}\" {what}", excerpt(word))
        } else {
            format!("its first word {what} (the text is not shown because not every user may read the file)")
        }
    }
}

/// What is wrong, and how to repair it; never contains words of the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
enum What {
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
}

/// Reads a line; `None` if it is empty or a comment.
///
/// # Errors
/// [`Mistake`] if the line does not begin with an address, a network or a range, or if the network is too wide.
pub(crate) fn parse(line: &str, shortest: Shortest) -> Result<Option<Line>, Mistake> {
    let whole = line.trim();
    let line = without_comment(whole);
    if line.is_empty() {
        return Ok(None);
    }
    let (word, value) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let read = |line: Line| {
        line.networks.iter().try_for_each(|network| shortest.check(*network))?;
        Ok(line)
    };
    let mistake = |what| Mistake { word: word.to_owned(), what };
    if let Some(bounds) = Bounds::beginning(line) {
        return bounds.line().and_then(read).map(Some).map_err(mistake);
    }
    match network(word) {
        Ok((network, host_bits)) => {
            let value = value.trim().to_owned();
            read(Line { networks: vec![network], value, host_bits }).map(Some).map_err(mistake)
        }
        // A name may contain blanks and any other characters.
        Err(what) => match Bounds::behind_a_name(whole) {
            Some(bounds) => bounds.line().and_then(read).map(Some).map_err(mistake),
            None => Err(mistake(what)),
        },
    }
}

/// The line without its comment. A comment begins the line, follows white space, or follows the first word directly.
/// The first word cannot contain a comment sign, but a value can.
fn without_comment(line: &str) -> &str {
    let first_word = line.find(char::is_whitespace).unwrap_or(line.len());
    let begins = |at: usize| {
        let before = line.get(..at).and_then(|before| before.chars().next_back());
        at <= first_word || before.is_some_and(char::is_whitespace)
    };
    let found = COMMENTS.iter().filter_map(|mark| line.match_indices(mark).map(|(at, _)| at).find(|at| begins(*at)));
    found.min().and_then(|at| line.get(..at)).unwrap_or(line).trim_end()
}

/// A range as it is written.
struct Bounds<'a> {
    first: &'a str,
    last: &'a str,
    value: &'a str,
}

impl<'a> Bounds<'a> {
    /// `a-b value`, with optional white space around the dash.
    fn beginning(line: &'a str) -> Option<Self> {
        let (first, rest) = line.split_once('-')?;
        let (last, value) = rest.trim_start().split_once(char::is_whitespace).unwrap_or((rest.trim_start(), ""));
        let (first, value) = (first.trim_end(), value.trim());
        (looks_like_address(first) && looks_like_address(last)).then_some(Self { first, last, value })
    }

    /// `name:a-b`, the format of lists for peer-to-peer programs.
    fn behind_a_name(line: &'a str) -> Option<Self> {
        let (name, range) = line.rsplit_once(':')?;
        let bounds = Self::beginning(range.trim())?;
        bounds.value.is_empty().then_some(Self { value: name.trim(), ..bounds })
    }

    fn line(&self) -> Result<Line, What> {
        let (first, last) = (address(self.first)?, address(self.last)?);
        let networks = match (first, last) {
            (IpAddr::V4(first), IpAddr::V4(last)) if first <= last => range::of_ipv4(first, last),
            (IpAddr::V6(first), IpAddr::V6(last)) if first <= last => range::of_ipv6(first, last),
            (IpAddr::V4(_), IpAddr::V4(_)) | (IpAddr::V6(_), IpAddr::V6(_)) => return Err(What::Order),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return Err(What::Families),
        };
        Ok(Line { networks, value: self.value.to_owned(), host_bits: false })
    }
}

fn looks_like_address(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_hexdigit() || matches!(byte, b'.' | b':');
    text.bytes().all(fits) && text.bytes().any(|byte| matches!(byte, b'.' | b':'))
}

/// An address. An IPv4-mapped address becomes the IPv4 address.
fn address(text: &str) -> Result<IpAddr, What> {
    text.parse().map(|address: IpAddr| address.to_canonical()).map_err(|_| diagnose(text))
}

/// A network, and whether the address had bits after the prefix length.
fn network(word: &str) -> Result<(Prefix, bool), What> {
    let Some((of, length)) = word.split_once('/') else { return Ok((Prefix::host(address(word)?), false)) };
    let first: IpAddr = of.parse().map_err(|_| diagnose(of))?;
    if let (IpAddr::V4(_), Ok(mask)) = (first, length.parse::<Ipv4Addr>()) {
        let length = mask.to_bits().leading_ones();
        if mask.to_bits().count_ones() != length {
            return Err(What::Mask);
        }
        let length = u8::try_from(length).map_err(|_| What::Mask)?;
        return prefix(word, Prefix::new(first, length), first);
    }
    if length.len() > 1 && length.starts_with('0') {
        return Err(What::Zeros);
    }
    prefix(word, word.parse(), first)
}

fn prefix(word: &str, parsed: Result<Prefix, PrefixError>, first: IpAddr) -> Result<(Prefix, bool), What> {
    match parsed {
        Ok(network) => {
            // In a mapped network, the bits before the prefix length are those of the mapped form.
            let host_bits = Prefix::host(first).canonical().address() != network.address();
            Ok((network, host_bits))
        }
        Err(PrefixError::Length { bits, .. }) => Err(What::Length(bits)),
        Err(PrefixError::Mapped { .. }) => Err(What::Mapped),
        Err(PrefixError::Text(_)) => Err(diagnose(word)),
    }
}

/// Why a word is not an address.
fn diagnose(word: &str) -> What {
    let is_address = |text: &str| text.parse::<IpAddr>().is_ok();
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if word.split_once('%').is_some_and(|(address, _)| is_address(address.trim_start_matches('['))) {
        return What::Zone;
    }
    if let Some((address, port)) = word.rsplit_once(':')
        && (is_number(port) || port == "*")
        && is_address(address.trim_start_matches('[').trim_end_matches(']'))
    {
        return What::Port;
    }
    let mut parts = word.split('.');
    if parts.by_ref().count() == 4
        && word.split('.').all(is_number)
        && word.split('.').any(|part| part.len() > 1 && part.starts_with('0'))
    {
        return What::Zeros;
    }
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    if word.contains('.') && word.bytes().all(fits) && word.bytes().any(|byte| byte.is_ascii_alphabetic()) {
        return What::Name;
    }
    What::Nonsense
}
