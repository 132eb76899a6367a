//! Blocks that last longer each time that they are needed again.

use ctwarden_net::Prefix;

use crate::then::Block;

/// Memory that outlives a restart.
pub trait Memory {
    /// Returns the value of a key.
    fn get(&mut self, key: &str) -> Option<Vec<u8>>;
    /// Sets the value of a key, which is of no use after this many seconds.
    ///
    /// # Errors
    /// The quota is used up.
    fn set(&mut self, key: &str, value: &[u8], seconds: u32) -> Result<(), String>;
    /// Removes a key.
    fn remove(&mut self, key: &str);
    /// Returns the keys that begin like this.
    fn keys(&mut self, beginning: &str) -> Vec<String>;
}

/// What precedes the keys of blocks in memory. Rule and network follow. The value is the number of blocks, the end of
/// the last one and the time at which it is forgotten, both in seconds since the Unix epoch.
const KEY: &str = "block/";
const SECOND: u64 = 1_000_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Earlier {
    times: u32,
    end: u64,
    forgotten: u64,
}

impl Earlier {
    fn read(value: &[u8]) -> Option<Self> {
        let mut numbers = std::str::from_utf8(value).ok()?.split(' ');
        let earlier = Self {
            times: numbers.next()?.parse().ok()?,
            end: numbers.next()?.parse().ok()?,
            forgotten: numbers.next()?.parse().ok()?,
        };
        numbers.next().is_none().then_some(earlier)
    }
}

/// Returns the seconds of a block that begins now. `None` if an earlier block of the rule still holds.
pub(crate) fn seconds(block: &Block, rule: &str, network: Prefix, now: u64, memory: &mut impl Memory) -> Option<u32> {
    let key = format!("{KEY}{rule}/{network}");
    let now = now / SECOND;
    let earlier = memory.get(&key).and_then(|value| Earlier::read(&value)).filter(|earlier| now < earlier.forgotten);
    if earlier.is_some_and(|earlier| now < earlier.end) {
        return None;
    }
    let times = earlier.map_or(0, |earlier| earlier.times);
    let seconds = u64::from(block.seconds).checked_shl(times.min(31)).unwrap_or(u64::MAX);
    let seconds = u32::try_from(seconds).unwrap_or(u32::MAX).min(block.at_most);
    let end = now.saturating_add(seconds.into());
    let forgotten = end.saturating_add(block.forget.into());
    let value = format!("{} {end} {forgotten}", times.saturating_add(1));
    // Without room in memory, the block is as long as the first, and nothing else changes.
    let _ = memory.set(&key, value.as_bytes(), seconds.saturating_add(block.forget));
    Some(seconds)
}

/// Removes what is forgotten by now.
pub(crate) fn purge(now: u64, memory: &mut impl Memory) {
    for key in memory.keys(KEY) {
        let earlier = memory.get(&key).and_then(|value| Earlier::read(&value));
        if earlier.is_none_or(|earlier| earlier.forgotten <= now / SECOND) {
            memory.remove(&key);
        }
    }
}
