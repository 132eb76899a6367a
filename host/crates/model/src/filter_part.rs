//! The parts that a filter can have, by name.
//!
//! They exist so that people can be told which part of a filter is applied where: by the kernel, or behind it.

use crate::Filter;

/// A part of a [`Filter`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FilterPart {
    /// [`Filter::family`].
    Family,
    /// [`Filter::protocols`].
    Protocols,
    /// [`Filter::zones`].
    Zones,
    /// [`Filter::original_src`].
    OriginalSrc,
    /// [`Filter::original_dst`].
    OriginalDst,
    /// [`Filter::reply_src`].
    ReplySrc,
    /// [`Filter::reply_dst`].
    ReplyDst,
    /// [`Filter::either`].
    Either,
    /// [`Filter::src_ports`].
    SrcPorts,
    /// [`Filter::dst_ports`].
    DstPorts,
    /// [`Filter::states`].
    States,
    /// [`Filter::mark`].
    Mark,
    /// [`Filter::status`].
    Status,
    /// [`Filter::timeout`].
    Timeout,
    /// [`Filter::labels`].
    Labels,
    /// [`Filter::rare`]. A subscription can have ports of the reply there, and nothing else.
    Rare,
}

impl FilterPart {
    /// Every part, in the order of [`Filter`].
    pub const ALL: [Self; 16] = [
        Self::Family,
        Self::Protocols,
        Self::Zones,
        Self::OriginalSrc,
        Self::OriginalDst,
        Self::ReplySrc,
        Self::ReplyDst,
        Self::Either,
        Self::SrcPorts,
        Self::DstPorts,
        Self::States,
        Self::Mark,
        Self::Status,
        Self::Timeout,
        Self::Labels,
        Self::Rare,
    ];

    /// The name that the WIT has for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Family => "family",
            Self::Protocols => "protocols",
            Self::Zones => "zones",
            Self::OriginalSrc => "original-src",
            Self::OriginalDst => "original-dst",
            Self::ReplySrc => "reply-src",
            Self::ReplyDst => "reply-dst",
            Self::Either => "either",
            Self::SrcPorts => "src-ports",
            Self::DstPorts => "dst-ports",
            Self::States => "states",
            Self::Mark => "mark",
            Self::Status => "status",
            Self::Timeout => "timeout",
            Self::Labels => "labels",
            Self::Rare => "reply-src-ports and reply-dst-ports",
        }
    }
}

impl Filter {
    /// The filter with nothing left but that part.
    #[must_use]
    pub fn only(&self, part: FilterPart) -> Self {
        // Each by name, so that a new one has to be given its place here.
        let Self {
            family,
            protocols,
            zones,
            original_src,
            original_dst,
            reply_src,
            reply_dst,
            either,
            src_ports,
            dst_ports,
            states,
            mark,
            status,
            timeout,
            labels,
            rare,
        } = self.clone();
        let nothing = Self::default();
        match part {
            FilterPart::Family => Self { family, ..nothing },
            FilterPart::Protocols => Self { protocols, ..nothing },
            FilterPart::Zones => Self { zones, ..nothing },
            FilterPart::OriginalSrc => Self { original_src, ..nothing },
            FilterPart::OriginalDst => Self { original_dst, ..nothing },
            FilterPart::ReplySrc => Self { reply_src, ..nothing },
            FilterPart::ReplyDst => Self { reply_dst, ..nothing },
            FilterPart::Either => Self { either, ..nothing },
            FilterPart::SrcPorts => Self { src_ports, ..nothing },
            FilterPart::DstPorts => Self { dst_ports, ..nothing },
            FilterPart::States => Self { states, ..nothing },
            FilterPart::Mark => Self { mark, ..nothing },
            FilterPart::Status => Self { status, ..nothing },
            FilterPart::Timeout => Self { timeout, ..nothing },
            FilterPart::Labels => Self { labels, ..nothing },
            FilterPart::Rare => Self { rare, ..nothing },
        }
    }

    /// Whether the part is given.
    #[must_use]
    pub fn has(&self, part: FilterPart) -> bool {
        self.only(part) != Self::default()
    }
}

#[cfg(test)]
mod tests {
    use alloc::boxed::Box;

    use super::*;
    use crate::{Family, Masked, PortRange, PortRanges, Protocol, RareFilter, SecondsRange, Zone};

    #[test]
    fn every_part_is_told_from_the_others() {
        let networks = || ["192.0.2.0/24".parse::<crate::Prefix>().unwrap()].into_iter().collect();
        let ports = || PortRanges::from([PortRange { first: 1, last: 2 }]);
        let whole = Filter {
            family: Some(Family::Ipv4),
            protocols: [Protocol::TCP].into(),
            zones: [Zone(0)].into(),
            original_src: networks(),
            original_dst: networks(),
            reply_src: networks(),
            reply_dst: networks(),
            either: networks(),
            src_ports: ports(),
            dst_ports: ports(),
            states: [3].into(),
            mark: Masked::new(0, 1).ok(),
            status: Masked::new(0, 2).ok(),
            timeout: Some(SecondsRange { first: 0, last: 9 }),
            labels: 1,
            rare: Some(Box::new(RareFilter { reply_src_ports: ports(), ..RareFilter::default() })),
        };
        for part in FilterPart::ALL {
            let only = whole.only(part);
            assert!(whole.has(part) && !Filter::default().has(part), "{part:?}");
            for other in FilterPart::ALL {
                assert_eq!(only.has(other), other == part, "{part:?} {other:?}");
            }
        }
    }
}
