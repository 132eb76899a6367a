//! The address space that one plugin has blocked, and the budget for it.
//!
//! A limit for each block is not enough: 255 networks of /8 still block nearly all IPv4 addresses. All current blocks
//! of a plugin together are therefore limited to the size of one network. The operator sets the prefix length of that
//! network.

use alloc::collections::BTreeMap;
use core::net::IpAddr;
use core::time::Duration;

use ctwarden_model::{Block, Family, Prefix, PrefixMap, SetName, Steady, Unblock};

use crate::PluginLimits;

/// Maximum number of remembered blocks, about 60 bytes each. Further blocks are over budget, however small they are.
pub(crate) const BLOCKS: usize = 1 << 18;

/// Minimum time between two searches for ended blocks when there is no room.
const TIDY_EVERY: Duration = Duration::from_secs(1);

/// A blocked network in one set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    /// End of the block. `None`: until the network is unblocked.
    until: Option<Steady>,
    /// Whether the kernel has the network in the set.
    confirmed: bool,
}

/// Blocked networks by set.
#[derive(Clone, Debug, Default)]
pub(crate) struct Blocked {
    sets: BTreeMap<SetName, PrefixMap<Entry>>,
    count: usize,
    ipv4: u64,
    ipv6: u64,
    tidied: Option<Steady>,
}

impl Blocked {
    /// Spends address space for a block. Returns false if the block is over budget. A network that is already in the
    /// set costs nothing more.
    pub(crate) fn take(&mut self, limits: &PluginLimits, block: &Block, now: Steady) -> bool {
        let until = block.seconds.map(|seconds| now.plus(Duration::from_secs(seconds.into())));
        let known = self.sets.get_mut(&block.set).and_then(|networks| networks.get_mut(block.network));
        if let Some(entry) = known.filter(|entry| entry.until.is_none_or(|until| until > now)) {
            entry.until = entry.until.zip(until).map(|(before, until)| before.max(until));
            return true;
        }
        if !self.has_room(limits, block.network) {
            self.tidy(now);
            if !self.has_room(limits, block.network) {
                return false;
            }
        }
        // An ended block of the same network may still be counted.
        self.release(&block.set, block.network);
        self.sets.entry(block.set.clone()).or_default().insert(block.network, Entry { until, confirmed: false });
        self.count += 1;
        let space = self.space_mut(block.network.family());
        *space = space.saturating_add(units(block.network));
        true
    }

    fn has_room(&self, limits: &PluginLimits, network: Prefix) -> bool {
        let (used, most) = match network.family() {
            Family::Ipv4 => (self.ipv4, size(32, limits.block_space_ipv4)),
            Family::Ipv6 => (self.ipv6, size(64, limits.block_space_ipv6)),
        };
        self.count < BLOCKS && used.saturating_add(units(network)) <= most
    }

    const fn space_mut(&mut self, family: Family) -> &mut u64 {
        match family {
            Family::Ipv4 => &mut self.ipv4,
            Family::Ipv6 => &mut self.ipv6,
        }
    }

    /// Removes ended blocks, at most once in [`TIDY_EVERY`], and returns their address space to the budget.
    fn tidy(&mut self, now: Steady) {
        if self.tidied.is_some_and(|last| now.since(last) < TIDY_EVERY) {
            return;
        }
        self.tidied = Some(now);
        let ended =
            |(network, entry): (Prefix, &Entry)| entry.until.is_some_and(|until| until <= now).then_some(network);
        let ended: alloc::vec::Vec<(SetName, Prefix)> = self
            .sets
            .iter()
            .flat_map(|(set, networks)| networks.iter().filter_map(ended).map(|network| (set.clone(), network)))
            .collect();
        for (set, network) in ended {
            self.release(&set, network);
        }
    }

    /// Reports the outcome of a block that `take` has accepted.
    pub(crate) fn concluded(&mut self, block: &Block, is_blocked: bool) {
        let Some(entry) = self.sets.get_mut(&block.set).and_then(|networks| networks.get_mut(block.network)) else {
            return;
        };
        if is_blocked {
            // A block of one service leaves the other traffic of the network.
            entry.confirmed = block.service.is_none();
        } else if !entry.confirmed {
            self.release(&block.set, block.network);
        }
    }

    /// Reports that the plugin has given up its claim on a network.
    pub(crate) fn unblocked(&mut self, unblock: &Unblock) {
        self.release(&unblock.set, unblock.network);
    }

    fn release(&mut self, set: &SetName, network: Prefix) {
        let Some(networks) = self.sets.get_mut(set) else { return };
        if networks.remove(network).is_none() {
            return;
        }
        if networks.is_empty() {
            self.sets.remove(set);
        }
        self.count = self.count.saturating_sub(1);
        let space = self.space_mut(network.family());
        *space = space.saturating_sub(units(network));
    }

    /// A set and its network that contains one of the addresses, if the kernel has that network.
    pub(crate) fn holding(&self, addresses: [IpAddr; 2], now: Steady) -> Option<(SetName, Prefix)> {
        self.sets.iter().find_map(|(set, networks)| {
            let (network, _) = addresses
                .into_iter()
                .filter_map(|address| networks.longest(address))
                .find(|(_, entry)| entry.confirmed && entry.until.is_none_or(|until| until > now))?;
            Some((set.clone(), network))
        })
    }
}

/// Size of a network: the number of IPv4 addresses, or of IPv6 networks of /64, because one subscriber has at least a
/// /64.
const fn units(network: Prefix) -> u64 {
    match network.family() {
        Family::Ipv4 => size(32, network.length()),
        Family::Ipv6 => size(64, network.length()),
    }
}

/// Number of parts of `bits` bits in a network of that length, at least one.
const fn size(bits: u8, length: u8) -> u64 {
    match 1_u64.checked_shl(bits.saturating_sub(length) as u32) {
        Some(size) => size,
        None => u64::MAX,
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    const NOW: Steady = Steady(9_000_000_000);

    fn limits() -> PluginLimits {
        PluginLimits { block_space_ipv4: 8, block_space_ipv6: 24, ..PluginLimits::default() }
    }

    fn block(network: &str, seconds: Option<u32>) -> Block {
        Block { set: SetName("s".to_string()), network: network.parse().unwrap(), service: None, seconds }
    }

    fn after(seconds: u64) -> Steady {
        NOW.plus(Duration::from_secs(seconds))
    }

    #[test]
    fn all_blocks_together_are_no_more_than_one_network() {
        let mut blocked = Blocked::default();
        let taken =
            (0..=255_u8).filter(|n| blocked.take(&limits(), &block(&alloc::format!("{n}.7.0.0/16"), None), NOW));
        assert_eq!(taken.count(), 256);
        assert!(!blocked.take(&limits(), &block("10.8.0.1", None), NOW));
        assert!(blocked.take(&limits(), &block("10.7.0.0/16", Some(5)), NOW), "what is blocked already costs nothing");
        let taken =
            (0..300_u16).filter(|n| blocked.take(&limits(), &block(&alloc::format!("2001:{n:x}::/32"), None), NOW));
        assert_eq!(taken.count(), 256, "of IPv6 likewise");
        let mut blocked = Blocked::default();
        assert!(!blocked.take(&limits(), &block("0.0.0.0/0", None), NOW));
        assert!(!blocked.take(&limits(), &block("::/0", None), NOW));
        assert!(blocked.take(&limits(), &block("2001:db8::1", None), NOW));
        assert_eq!((blocked.ipv4, blocked.ipv6, blocked.count), (0, 1, 1));
    }

    #[test]
    fn room_comes_back_with_the_end_the_refusal_and_the_unblock() {
        let mut blocked = Blocked::default();
        assert!(blocked.take(&limits(), &block("10.0.0.0/9", Some(60)), NOW));
        assert!(blocked.take(&limits(), &block("11.0.0.0/9", Some(30)), NOW));
        assert!(!blocked.take(&limits(), &block("12.0.0.0/9", None), NOW));
        assert!(blocked.take(&limits(), &block("12.0.0.0/9", Some(5)), after(30)), "one has ended");
        blocked.concluded(&block("12.0.0.0/9", Some(5)), false);
        assert!(blocked.take(&limits(), &block("13.0.0.0/9", None), after(31)), "the kernel would not have it");
        blocked.concluded(&block("13.0.0.0/9", None), true);
        blocked.concluded(&block("13.0.0.0/9", None), false);
        assert!(!blocked.take(&limits(), &block("14.0.0.0/9", None), after(32)), "a later refusal takes nothing out");
        let unblock = Unblock { set: SetName("s".to_string()), network: "13.0.0.0/9".parse().unwrap(), service: None };
        blocked.unblocked(&unblock);
        blocked.unblocked(&unblock);
        assert!(blocked.take(&limits(), &block("14.0.0.0/9", None), after(33)));
        assert_eq!(blocked.count, 2);
    }

    #[test]
    fn a_longer_block_of_the_same_network_lasts() {
        let mut blocked = Blocked::default();
        for seconds in [Some(10), Some(60), Some(20)] {
            assert!(blocked.take(&limits(), &block("10.0.0.0/8", seconds), NOW));
        }
        assert!(!blocked.take(&limits(), &block("11.0.0.0/16", None), after(59)));
        assert!(blocked.take(&limits(), &block("11.0.0.0/16", None), after(60)));
    }

    #[test]
    fn whoever_is_blocked_is_found_once_the_kernel_has_it() {
        let mut blocked = Blocked::default();
        let of = |blocked: &Blocked, now| {
            let addresses = ["192.0.2.9", "10.1.2.3"].map(|address| address.parse().unwrap());
            blocked.holding(addresses, now).map(|(_, network)| network.to_string())
        };
        blocked.take(&limits(), &block("10.1.0.0/16", Some(60)), NOW);
        assert_eq!(of(&blocked, NOW), None);
        blocked.concluded(&block("10.1.0.0/16", Some(60)), true);
        assert_eq!(of(&blocked, NOW).as_deref(), Some("10.1.0.0/16"));
        assert_eq!(of(&blocked, after(60)), None);
    }
}
