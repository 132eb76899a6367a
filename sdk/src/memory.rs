//! Memory that outlives the instance: kept over faults, reloads and restarts, private to the plugin, with a quota.

use crate::Refusal;

/// The value of a key.
#[must_use]
pub fn get(key: &str) -> Option<Vec<u8>> {
    crate::host::memory::get(key)
}

/// Gives a key of at most 256 bytes a value.
///
/// # Errors
/// The quota of keys or bytes is used up, or the key is too long.
pub fn set(key: &str, value: &[u8]) -> Result<(), Refusal> {
    crate::host::memory::set(key, value).map_err(Refusal::from)
}

/// Forgets a key; one that is not there is no error.
pub fn remove(key: &str) {
    crate::host::memory::remove(key);
}

/// Keys that begin so, in order of their bytes; all of them with an empty beginning.
#[must_use]
pub fn keys(beginning: &str) -> Vec<String> {
    crate::host::memory::keys(beginning)
}
