//! Notifications of nftables: whether a rule that mutes entries was loaded, or any rule has changed.
//!
//! A reader of all notifications knows every rule that was loaded before, even a rule that is already removed. Changes of sets come with every ban and say nothing
//! about rules.

use std::io;

use ctwarden_netlink::OpenError;

use super::super::netfilter;
use super::super::tracking::mutes;
use crate::netlink::nftables::notifications::{Heard, Notifications};

/// Messages of nftables (linux/netfilter/nf_tables.h): `NFT_MSG_NEWRULE`, and those that change no rule: `NFT_MSG_NEWSET`,
/// `NFT_MSG_DELSET`, `NFT_MSG_NEWSETELEM`, `NFT_MSG_DELSETELEM` and `NFT_MSG_NEWGEN`.
const NEW_RULE: u16 = 6;
const NO_RULES: [u16; 5] = [9, 11, 12, 14, 15];
/// Room for the notifications of some 300,000 elements of sets, which may come at once. The kernel uses this memory only
/// while they wait.
const RECEIVE_BUFFER: usize = 64 << 20;
/// Notifications of one reading, each of up to some forty elements: about a millisecond.
const READS: usize = 512;

/// The notifications since the last reading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RuleNews {
    /// Rules may have changed.
    pub(crate) changed: bool,
    /// A rule was loaded that prevents entries from sending events of their begin or end. Also set if the kernel dropped
    /// notifications, because one of them may have been about such a rule.
    pub(crate) mutes: bool,
    /// Some notifications are still unread; call again.
    pub(crate) more: bool,
}

pub(crate) struct RuleChanges {
    notifications: Notifications,
}

impl RuleChanges {
    pub(crate) fn listen() -> Result<Self, OpenError> {
        Ok(Self { notifications: Notifications::listen(RECEIVE_BUFFER)? })
    }

    pub(crate) fn read(&mut self) -> io::Result<RuleNews> {
        let mut told = RuleNews::default();
        for _ in 0..READS {
            if !self.notifications.read(|heard| take(heard, &mut told))? {
                return Ok(told);
            }
        }
        Ok(RuleNews { more: true, ..told })
    }
}

/// Evaluates a notification. What cannot be read may be anything, so it counts as a change.
fn take(heard: Heard<'_>, told: &mut RuleNews) {
    match heard {
        Heard::Anything => *told = RuleNews { changed: true, mutes: true, ..*told },
        Heard::Change(change) if NO_RULES.contains(&change.message) => {}
        Heard::Change(change) => {
            told.changed = true;
            if change.message == NEW_RULE {
                let attributes = change.attributes.to_vec();
                told.mutes |= mutes(&netfilter::DumpedObject { family: change.family, attributes });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::nftables::notifications::hear;
    use crate::witness::{in_own_namespace, nft};

    const MUTES: RuleNews = RuleNews { changed: true, mutes: true, more: false };
    const CHANGED: RuleNews = RuleNews { changed: true, mutes: false, more: false };

    #[test]
    fn a_rule_that_mutes_is_told_though_it_is_gone_again() {
        in_own_namespace(|| {
            let mut changes = RuleChanges::listen().unwrap();
            assert_eq!(changes.read().unwrap(), RuleNews::default());
            nft("add table inet t; add chain inet t c; add rule inet t c ct state new");
            assert_eq!(changes.read().unwrap(), CHANGED);
            nft("add rule inet t c udp dport 53 ct event set destroy");
            nft("flush chain inet t c");
            assert_eq!(changes.read().unwrap(), MUTES);
            nft("add rule inet t c ct event set new,related,destroy");
            assert_eq!(changes.read().unwrap(), CHANGED, "this one leaves out nothing that counts");
            nft("delete table inet t");
            assert_eq!(changes.read().unwrap(), CHANGED);
            assert_eq!(changes.read().unwrap(), RuleNews::default());
        });
    }

    #[test]
    fn elements_of_sets_change_no_rule() {
        in_own_namespace(|| {
            nft("add table inet t; add set inet t s { type ipv4_addr; flags interval, timeout; }");
            let mut changes = RuleChanges::listen().unwrap();
            nft("add element inet t s { 192.0.2.1 timeout 1h, 198.51.100.0/24 }");
            nft("delete element inet t s { 192.0.2.1 }");
            assert_eq!(changes.read().unwrap(), RuleNews::default());
        });
    }

    #[test]
    fn what_cannot_be_read_may_be_anything() {
        let mut told = RuleNews::default();
        hear(&[7; 5], |heard| take(heard, &mut told));
        assert_eq!(told, MUTES);
    }

    #[test]
    fn messages_of_other_subsystems_say_nothing() {
        let mut message = 20_u32.to_ne_bytes().to_vec();
        message.extend((1_u16 << 8 | NEW_RULE).to_ne_bytes());
        message.resize(20, 0);
        let mut told = RuleNews::default();
        hear(&message, |heard| take(heard, &mut told));
        assert_eq!(told, RuleNews::default());
    }
}
