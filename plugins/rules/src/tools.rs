//! The memory of the host, for the times of blocks.

use ctwarden_rules::Memory;
use ctwarden_sdk::memory;

/// Memory that outlives the instance.
pub(crate) struct HostMemory;

impl Memory for HostMemory {
    fn get(&mut self, key: &str) -> Option<Vec<u8>> {
        memory::get(key)
    }

    fn set(&mut self, key: &str, value: &[u8], _: u32) -> Result<(), String> {
        memory::set(key, value).map_err(String::from)
    }

    fn remove(&mut self, key: &str) {
        memory::remove(key);
    }

    fn keys(&mut self, beginning: &str) -> Vec<String> {
        memory::keys(beginning)
    }
}
