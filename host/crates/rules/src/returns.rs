//! Blocks that last longer each time that they are needed again.

use ctwarden_net::Prefix;

use crate::then::Block;

/// Memory that outlives a restart.
pub trait Memory {
    /// Returns the value of a key.
    fn get(&mut self, key: &str) -> Option<Vec<u8>>;
    /// Sets the value of a key for this many seconds. Then the memory removes it.
    ///
    /// # Errors
    /// The quota is used up.
    fn set(&mut self, key: &str, value: &[u8], seconds: u32) -> Result<(), String>;
}

/// What precedes the keys of blocks in memory. Rule and network follow. The value is the number of blocks and the end of
/// the last one in seconds since the Unix epoch. The memory keeps it until the blocks are forgotten.
const KEY: &str = "block/";
const SECOND: u64 = 1_000_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Earlier {
    times: u32,
    end: u64,
}

impl Earlier {
    fn read(value: &[u8]) -> Option<Self> {
        let (times, end) = std::str::from_utf8(value).ok()?.split_once(' ')?;
        Some(Self { times: times.parse().ok()?, end: end.parse().ok()? })
    }
}

/// Returns the seconds of a block that begins now. `None` if an earlier block of the rule still holds.
pub(crate) fn seconds(block: &Block, rule: &str, network: Prefix, now: u64, memory: &mut impl Memory) -> Option<u32> {
    let key = format!("{KEY}{rule}/{network}");
    let now = now / SECOND;
    let earlier = memory.get(&key).and_then(|value| Earlier::read(&value));
    if earlier.is_some_and(|earlier| now < earlier.end) {
        return None;
    }
    let times = earlier.map_or(0, |earlier| earlier.times);
    let seconds = u64::from(block.seconds).checked_shl(times.min(31)).unwrap_or(u64::MAX);
    let seconds = u32::try_from(seconds).unwrap_or(u32::MAX).min(block.at_most);
    let end = now.saturating_add(seconds.into());
    let value = format!("{} {end}", times.saturating_add(1));
    // Without room in memory, the block is as long as the first, and nothing else changes.
    let _ = memory.set(&key, value.as_bytes(), seconds.saturating_add(block.forget));
    Some(seconds)
}
