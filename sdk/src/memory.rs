//! Memory that outlives the instance: it survives faults, reloads and restarts. It is private to the plugin and has a
//! quota of keys and bytes.

use crate::{Lifetime, Refusal};

/// Returns the value of a key.
#[must_use]
pub fn get(key: &str) -> Option<Vec<u8>> {
    crate::host::memory::get(key)
}

/// Sets the value of a key of at most 256 bytes.
///
/// # Errors
/// The quota of keys or bytes is used up, or the key is too long.
pub fn set(key: &str, value: &[u8]) -> Result<(), Refusal> {
    set_for(key, value, Lifetime::FOREVER)
}

/// Sets the value of a key of at most 256 bytes for a time. Then the host removes the key, even if the policy does not
/// run meanwhile. [`Lifetime::FOREVER`] keeps it until it is removed. Each call sets the lifetime anew.
///
/// # Errors
/// As [`set`].
pub fn set_for(key: &str, value: &[u8], lifetime: Lifetime) -> Result<(), Refusal> {
    crate::host::memory::set(key, value, lifetime.as_secs()).map_err(Refusal::from)
}

/// Removes a key. It is no error if there is no such key.
pub fn remove(key: &str) {
    crate::host::memory::remove(key);
}

/// Returns the keys that start with `beginning`, in byte order. An empty `beginning` returns all keys.
#[must_use]
pub fn keys(beginning: &str) -> Vec<String> {
    crate::host::memory::keys(beginning)
}
