//! Address sets that the operator named in the configuration and granted to the plugin. The host keeps them up to date.
//!
//! [`lookup`] looks up the addresses at hand. For a verdict about every flow of a set, use
//! [`Filter::in_set`](crate::Filter::in_set).

use std::net::IpAddr;

use crate::Refusal;
use crate::bindings::ctwarden::conntrack::types::IpAddress;

/// Looks up addresses in a set. The result has one element for each address: the value of the longest prefix that
/// contains the address, or `None` if no prefix contains it. The value is empty if the list gives none. One call for
/// many addresses is much cheaper than many calls.
///
/// # Errors
/// The set is unknown or not granted, or its name is longer than 64 bytes.
pub fn lookup(set: &str, addresses: &[IpAddr]) -> Result<Vec<Option<String>>, Refusal> {
    let addresses: Vec<IpAddress> = addresses.iter().map(|address| (*address).into()).collect();
    crate::host::sets::lookup(set, &addresses).map_err(Refusal::from)
}

/// Whether the set contains any of the addresses. False if the set cannot be looked up.
pub(crate) fn holds_any(set: &str, addresses: &[IpAddr]) -> bool {
    lookup(set, addresses).is_ok_and(|values| values.iter().any(Option::is_some))
}

/// Whether the set contains the address.
///
/// # Errors
/// The set is unknown or not granted, or its name is longer than 64 bytes.
pub fn contains(set: &str, address: IpAddr) -> Result<bool, Refusal> {
    Ok(lookup(set, &[address])?.into_iter().next().flatten().is_some())
}
