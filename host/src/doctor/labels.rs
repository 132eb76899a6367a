//! Whether entries have room for labels.
//!
//! The kernel gives entries of a namespace room for labels only while a rule there sets one (`nf_connlabels_get`), and
//! refuses labels without room with `ENOSPC`. Rules of nftables show it; those of iptables-legacy, Open vSwitch and tc
//! do not. If no such rule is found, the doctor creates an entry with a label, reads it, and removes it.

use std::io;
use std::net::{IpAddr, Ipv4Addr};

use ctwarden_model::{
    Effect, EffectId, Flow, FlowId, FlowKey, Labels, Layer4, PerDirection, Protocol, Status, Tuple, Zone,
};
use serde::Serialize;

use super::ctnetlink::Ctnetlink;
use super::finding::Finding;
use super::tracking::Rules;
use crate::netlink::Requests;

/// A rule in a chain that no packet reaches.
const MAKE_ROOM: &str = "nft 'add table inet tracking; add chain inet tracking labels; add rule inet tracking labels \
    ct label set 1'";

/// A tuple that no packet has: addresses for documentation (RFC 5737), a protocol for experiments (RFC 3692).
const OURS: Tuple = Tuple {
    src: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
    dst: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2)),
    protocol: Protocol(253),
    layer4: Layer4::None,
};

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum LabelRoom {
    /// Labels can be set.
    Room,
    NoRoom,
    Unknown(String),
}

impl LabelRoom {
    pub(super) fn find(ctnetlink: &Ctnetlink, rules: Option<&Rules>) -> Self {
        if rules.is_some_and(|rules| rules.labels > 0) {
            return Self::Room;
        }
        match ctnetlink {
            Ctnetlink::Answers => try_out().unwrap_or_else(|error| Self::Unknown(error.to_string())),
            Ctnetlink::NotPermitted | Ctnetlink::Absent | Ctnetlink::Failed(_) => {
                Self::Unknown("the kernel does not answer".to_owned())
            }
        }
    }

    pub(super) fn judge(&self) -> Finding {
        let name = "labels";
        match self {
            Self::Room => Finding::good(name, "usable", "entries keep the labels that policies set"),
            Self::NoRoom => Finding::note(
                name,
                "no room in entries",
                "no rule of this namespace sets a ct label, so the kernel refuses labels of policies (ENOSPC); entries \
                 that begin after such a rule was loaded have room",
            )
            .change(MAKE_ROOM),
            Self::Unknown(why) => Finding::note(
                name,
                "unknown",
                format!(
                    "cannot determine whether entries have room for labels: {why}; a rule that sets one makes room"
                ),
            )
            .change(MAKE_ROOM),
        }
    }
}

fn try_out() -> io::Result<LabelRoom> {
    let mut requests = Requests::open().map_err(io::Error::other)?;
    let label = Labels(1);
    let mut flow = Flow::new(PerDirection { original: OURS, reply: OURS.reversed() });
    flow.labels = Some(label);
    flow.status = Some(Status::CONFIRMED);
    // Seconds, in case this process ends before it removes the entry.
    flow.timeout = Some(2);
    requests.create(&flow)?;
    // The kernel does not compare the id of this request.
    let Some(made) = requests.get(&FlowKey { id: FlowId(0), zone: Zone(0), original: OURS })? else {
        return Ok(LabelRoom::Unknown("the test entry disappeared at once".to_owned()));
    };
    if let Some(id) = made.id {
        let key = FlowKey { id, zone: made.zone, original: OURS };
        // Ignore the result: the entry may be gone already.
        let _ = requests.apply(std::iter::once((EffectId(0), &Effect::Delete(key))));
    }
    Ok(if made.labels == Some(label) { LabelRoom::Room } else { LabelRoom::NoRoom })
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::super::per_family::PerFamily;
    use super::*;

    #[test]
    fn room_is_told_and_how_to_make_it() {
        assert_eq!(LabelRoom::Room.judge().verdict, Verdict::Good);
        let none = LabelRoom::NoRoom.judge();
        assert!(none.verdict == Verdict::Note && none.follows.contains("ENOSPC"), "{none:?}");
        assert!(none.change.unwrap().contains("ct label set"));
        assert!(LabelRoom::Unknown("x y".to_owned()).judge().follows.contains("x y"));
    }

    #[test]
    fn a_rule_is_enough_and_silence_is_no_answer() {
        let rules = Rules { tracking: PerFamily { ipv4: 1, ipv6: 1 }, labels: 1, muting: 0 };
        assert_eq!(LabelRoom::find(&Ctnetlink::NotPermitted, Some(&rules)), LabelRoom::Room);
        let rules = Rules { labels: 0, ..rules };
        assert!(matches!(LabelRoom::find(&Ctnetlink::NotPermitted, Some(&rules)), LabelRoom::Unknown(_)));
    }
}
