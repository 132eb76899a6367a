//! Address sets that the operator named in the configuration and granted to the plugin; the host keeps them up to date.

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

/// Whether the set holds the address.
///
/// # Errors
/// The set is unknown or was not granted.
pub fn contains(set: &str, address: IpAddr) -> Result<bool, Refusal> {
    Ok(lookup(set, &[address])?.into_iter().next().flatten().is_some())
}
