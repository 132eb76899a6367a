//! Netfilter's list of hooks (`nfnetlink_hook`, since Linux 5.14, if the kernel is built with it).
//!
//! Conntrack's first hook of a family is either in the list or not, so the list is the exact answer.

use ctwarden_model::Family;

use super::super::netfilter::{DumpedObject, ObjectRequest, attributes, dump, find, text};
use super::super::per_family::PerFamily;

/// `NFNL_SUBSYS_HOOK` and `NFNL_MSG_HOOK_GET` (linux/netfilter/nfnetlink.h, nfnetlink_hook.h).
const HOOK_GET: u16 = 12 << 8;
/// `NFNLA_HOOK_HOOKNUM` and `NFNLA_HOOK_FUNCTION_NAME`.
const HOOK_NUMBER: u16 = 1;
const FUNCTION_NAME: u16 = 4;
/// `NFPROTO_IPV4` and `NFPROTO_IPV6` (linux/netfilter.h).
const IPV4: u8 = 2;
const IPV6: u8 = 10;

/// Whether conntrack is in the list, for each family; `None` if the kernel does not provide the list.
pub(super) fn read() -> Option<PerFamily<bool>> {
    let ipv4 = has_conntrack(Family::Ipv4, &dump(&question(IPV4)).all()?)?;
    let ipv6 = has_conntrack(Family::Ipv6, &dump(&question(IPV6)).all()?)?;
    Some(PerFamily { ipv4, ipv6 })
}

/// The hooks of arriving packets (`NF_INET_PRE_ROUTING`, 0).
fn question(family: u8) -> ObjectRequest {
    let [low, high] = HOOK_NUMBER.to_ne_bytes();
    let [length, zero] = 8_u16.to_ne_bytes();
    // The number is big-endian, like all numbers of netfilter.
    ObjectRequest { kind: HOOK_GET, family, attributes: vec![length, zero, low, high, 0, 0, 0, 0] }
}

/// `None` if hooks have no names, as on a kernel without symbols.
fn has_conntrack(family: Family, hooks: &[DumpedObject]) -> Option<bool> {
    // net/netfilter/nf_conntrack_proto.c
    let function = match family {
        Family::Ipv4 => "ipv4_conntrack_in",
        Family::Ipv6 => "ipv6_conntrack_in",
    };
    let names: Vec<&str> = hooks.iter().filter_map(|hook| find(&hook.attributes, FUNCTION_NAME)).map(text).collect();
    let nameless = hooks.iter().any(|hook| attributes(&hook.attributes).all(|(kind, _)| kind != FUNCTION_NAME));
    if names.contains(&function) {
        Some(true)
    } else if nameless {
        None
    } else {
        Some(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message as `nfnl_hook_dump_one` (net/netfilter/nfnetlink_hook.c) writes it: the function's name first, then
    /// hook number and priority.
    fn hook(function: Option<&str>, priority: i32) -> DumpedObject {
        let mut attributes = Vec::new();
        let mut push = |kind: u16, value: &[u8]| {
            attributes.extend_from_slice(&u16::try_from(value.len() + 4).unwrap().to_ne_bytes());
            attributes.extend_from_slice(&kind.to_ne_bytes());
            attributes.extend_from_slice(value);
            attributes.resize(attributes.len().next_multiple_of(4), 0);
        };
        if let Some(name) = function {
            push(FUNCTION_NAME, format!("{name}\0").as_bytes());
        }
        push(HOOK_NUMBER, &0_u32.to_be_bytes());
        push(2, &priority.to_be_bytes());
        DumpedObject { family: IPV4, attributes }
    }

    #[test]
    fn conntrack_is_told_from_its_neighbours() {
        let defragmentation = || hook(Some("ipv4_conntrack_defrag"), -400);
        assert_eq!(has_conntrack(Family::Ipv4, &[]), Some(false));
        assert_eq!(has_conntrack(Family::Ipv4, &[defragmentation()]), Some(false));
        let both = [defragmentation(), hook(Some("ipv4_conntrack_in"), -200)];
        assert_eq!(has_conntrack(Family::Ipv4, &both), Some(true));
        assert_eq!(has_conntrack(Family::Ipv6, &both), Some(false));
        assert_eq!(has_conntrack(Family::Ipv4, &[hook(None, -200)]), None, "a kernel without symbols");
    }

    #[test]
    fn the_question_names_the_hook() {
        let asked = question(IPV6);
        assert_eq!((asked.kind, asked.family), (0x0c00, 10));
        assert_eq!(find(&asked.attributes, HOOK_NUMBER), Some([0, 0, 0, 0].as_slice()));
    }
}
