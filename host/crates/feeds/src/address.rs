//! The text of an address, a network or a range.

use alloc::vec;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};

use ctwarden_model::{Family, Prefix, PrefixError, networks_of_range};

use crate::fault::Fault;

/// The networks of an address, a network or a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Networks {
    pub(crate) networks: Vec<Prefix>,
    /// Whether the address had bits after the prefix length; they are ignored.
    pub(crate) host_bits: bool,
}

/// Reads a text that is an address, a network or a range and nothing else.
pub(crate) fn parse(text: &str) -> Result<Networks, Fault> {
    match text.split_once('-') {
        Some((first, last)) if looks_like_address(first.trim_end()) && looks_like_address(last.trim_start()) => {
            of_range(first.trim_end(), last.trim_start())
        }
        Some(_) | None => of_network(text),
    }
}

/// The networks that form a range.
pub(crate) fn of_range(first: &str, last: &str) -> Result<Networks, Fault> {
    let networks = match (address(first)?, address(last)?) {
        (IpAddr::V4(first), IpAddr::V4(last)) if first <= last => {
            networks_of_range(Family::Ipv4, first.to_bits().into(), last.to_bits().into())
        }
        (IpAddr::V6(first), IpAddr::V6(last)) if first <= last => {
            networks_of_range(Family::Ipv6, first.to_bits(), last.to_bits())
        }
        (IpAddr::V4(_), IpAddr::V4(_)) | (IpAddr::V6(_), IpAddr::V6(_)) => return Err(Fault::Order),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return Err(Fault::Families),
    };
    Ok(Networks { networks, host_bits: false })
}

/// Whether a word has only characters of addresses, and one that separates their parts.
pub(crate) fn looks_like_address(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_hexdigit() || matches!(byte, b'.' | b':');
    text.bytes().all(fits) && text.bytes().any(|byte| matches!(byte, b'.' | b':'))
}

/// An address or a network.
pub(crate) fn of_network(word: &str) -> Result<Networks, Fault> {
    network(word).map(|(network, host_bits)| Networks { networks: vec![network], host_bits })
}

/// An address. An IPv4-mapped address becomes the IPv4 address.
fn address(text: &str) -> Result<IpAddr, Fault> {
    text.parse().map(|address: IpAddr| address.to_canonical()).map_err(|_| diagnose(text))
}

fn network(word: &str) -> Result<(Prefix, bool), Fault> {
    let Some((of, length)) = word.split_once('/') else { return Ok((Prefix::host(address(word)?), false)) };
    let first: IpAddr = of.parse().map_err(|_| diagnose(of))?;
    if let (IpAddr::V4(_), Ok(mask)) = (first, length.parse::<Ipv4Addr>()) {
        let length = mask.to_bits().leading_ones();
        if mask.to_bits().count_ones() != length {
            return Err(Fault::Mask);
        }
        let length = u8::try_from(length).map_err(|_| Fault::Mask)?;
        return prefix(word, Prefix::new(first, length), first);
    }
    if length.len() > 1 && length.starts_with('0') {
        return Err(Fault::Zeros);
    }
    prefix(word, word.parse(), first)
}

fn prefix(word: &str, parsed: Result<Prefix, PrefixError>, first: IpAddr) -> Result<(Prefix, bool), Fault> {
    match parsed {
        Ok(network) => {
            // In a mapped network, the bits before the prefix length are those of the mapped form.
            let host_bits = Prefix::host(first).canonical().address() != network.address();
            Ok((network, host_bits))
        }
        Err(PrefixError::Length { bits, .. }) => Err(Fault::Length(bits)),
        Err(PrefixError::Mapped { .. }) => Err(Fault::Mapped),
        Err(PrefixError::Text(_)) => Err(diagnose(word)),
    }
}

/// Why a word is not an address.
fn diagnose(word: &str) -> Fault {
    let is_address = |text: &str| text.parse::<IpAddr>().is_ok();
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if word.split_once('%').is_some_and(|(address, _)| is_address(address.trim_start_matches('['))) {
        return Fault::Zone;
    }
    if let Some((address, port)) = word.rsplit_once(':')
        && (is_number(port) || port == "*")
        && is_address(address.trim_start_matches('[').trim_end_matches(']'))
    {
        return Fault::Port;
    }
    let mut parts = word.split('.');
    if parts.by_ref().count() == 4
        && word.split('.').all(is_number)
        && word.split('.').any(|part| part.len() > 1 && part.starts_with('0'))
    {
        return Fault::Zeros;
    }
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    if word.contains('.') && word.bytes().all(fits) && word.bytes().any(|byte| byte.is_ascii_alphabetic()) {
        return Fault::Name;
    }
    Fault::Nonsense
}
