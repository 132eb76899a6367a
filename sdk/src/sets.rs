//! Address sets that the operator named in the configuration and granted to the plugin; the host keeps them up to date.
//!
//! [`lookup`] asks about the addresses at hand; a verdict about every flow of a set says so with
//! [`Filter::in_set`](crate::Filter::in_set).

use std::net::IpAddr;

use crate::Refusal;
use crate::bindings::ctwarden::policy::types::IpAddress;

/// For each address the value of the longest prefix in the set that holds it (empty where the list gives none), or none
/// where no prefix does. One call for many addresses is much cheaper than many calls.
///
/// # Errors
/// The set is unknown or was not granted.
pub fn lookup(set: &str, addresses: &[IpAddr]) -> Result<Vec<Option<String>>, Refusal> {
    let addresses: Vec<IpAddress> = addresses.iter().map(|address| (*address).into()).collect();
    crate::host::sets::lookup(set, &addresses).map_err(Refusal::from)
}

/// Whether the set holds any of the addresses; one that cannot be asked holds none.
pub(crate) fn holds_any(set: &str, addresses: &[IpAddr]) -> bool {
    lookup(set, addresses).is_ok_and(|values| values.iter().any(Option::is_some))
}

/// Whether the set holds the address.
///
/// # Errors
/// The set is unknown or was not granted.
pub fn contains(set: &str, address: IpAddr) -> Result<bool, Refusal> {
    Ok(lookup(set, &[address])?.into_iter().next().flatten().is_some())
}
