//! The kinds of messages: netlink's own by type, those of conntrack by subsystem and type.
//!
//! This module is separate from the framing, because each kind decodes itself from a framed message.

use crate::answer::{Answer, read_answer, read_done};
use crate::conntrack::ConntrackMessage;
use crate::error::DecodeError;
use crate::expectation::ExpectationMessage;
use crate::message::{CONNTRACK, EXPECTATION, Flags, Message};
use crate::nfnetlink_conntrack::{ctnl, ctnl_exp};
use crate::statistics::{CpuStatistics, ExpectationCpuStatistics, GlobalStatistics};

/// `NLMSG_*` (linux/netlink.h): messages of netlink itself.
const NLMSG_NOOP: u16 = 1;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLMSG_OVERRUN: u16 = 4;

/// The decoded kind of a message.
#[derive(Clone, Debug)]
pub enum Content<'a> {
    /// A message without content (`NLMSG_NOOP`). Ignore it.
    Noop,
    /// End of a dump (`NLMSG_DONE`).
    Done {
        /// 0, or the positive errno that ended the dump early.
        status: i32,
    },
    /// Data was lost (`NLMSG_OVERRUN`).
    Overrun,
    /// Acknowledgement or refusal of a request (`NLMSG_ERROR`).
    Answer(Answer<'a>),
    /// An entry from an event, a dump or a lookup, or a request about an entry.
    Conntrack(ConntrackMessage<'a>),
    Expectation(ExpectationMessage<'a>),
    /// Size of the table.
    Statistics(GlobalStatistics),
    /// Counters of one processor.
    CpuStatistics(CpuStatistics),
    /// Expectation counters of one processor.
    ExpectationCpuStatistics(ExpectationCpuStatistics),
    Other,
    /// A message of a known kind that is too short for it.
    Malformed(DecodeError),
}

impl<'a> Message<'a> {
    /// Returns the decoded kind. Costs one walk over the top-level attributes of an entry, and no allocation.
    #[must_use]
    #[inline]
    pub fn content(&self) -> Content<'a> {
        let entry = |content: Result<Content<'a>, DecodeError>| content.unwrap_or_else(Content::Malformed);
        match self.header.kind {
            NLMSG_NOOP => Content::Noop,
            NLMSG_ERROR => entry(read_answer(self).map(Content::Answer)),
            NLMSG_DONE => entry(read_done(self).map(|status| Content::Done { status })),
            NLMSG_OVERRUN => Content::Overrun,
            kind => match (kind & 0xff00, kind & 0xff) {
                (CONNTRACK, ctnl::GET_STATS) => entry(GlobalStatistics::read(self).map(Content::Statistics)),
                (CONNTRACK, ctnl::GET_STATS_CPU) => entry(CpuStatistics::read(self).map(Content::CpuStatistics)),
                // The kernel sends expectation counters under the subsystem of entries (seen on Linux 6.18). There the
                // number belongs to a request and never to an answer.
                (CONNTRACK, ctnl::GET_CTRZERO) if !self.header.flags.contains(Flags::REQUEST) => {
                    entry(ExpectationCpuStatistics::read(self).map(Content::ExpectationCpuStatistics))
                }
                (CONNTRACK, _) => entry(ConntrackMessage::read(self).map(Content::Conntrack)),
                (EXPECTATION, ctnl_exp::GET_STATS_CPU) => {
                    entry(ExpectationCpuStatistics::read(self).map(Content::ExpectationCpuStatistics))
                }
                (EXPECTATION, _) => entry(ExpectationMessage::read(self).map(Content::Expectation)),
                _ => Content::Other,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Found;
    use crate::message::{HEADER, Header};

    fn message(kind: u16, payload: &[u8]) -> Message<'_> {
        let header = Header { length: 0, kind, flags: Flags(0), sequence: 0, port: 0 };
        Message { header, payload }
    }

    #[test]
    fn a_known_kind_without_its_family_header_is_malformed() {
        let content = message(CONNTRACK, &[2, 0]).content();
        assert!(matches!(content, Content::Malformed(e) if e.offset == HEADER && e.found == Found::Bytes(2)));
    }

    #[test]
    fn other_subsystems_are_other() {
        assert!(matches!(message(10 << 8, &[0; 4]).content(), Content::Other));
    }
}
