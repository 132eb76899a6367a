//! The additions of `-o` to the text and the XML of an entry.
//!
//! The command has one option for both forms and both tables, so they share one value. Each form uses the parts that it
//! supports.

use core::fmt;

use ctwarden_model::{Flow, Timestamp};

use crate::{CivilTime, LabelMap};

/// `CTA_TIMESTAMP_EVENT` (linux/netfilter/nfnetlink_conntrack.h, Linux 6.14): eight bytes, nanoseconds since the epoch.
pub(crate) const TIMESTAMP_EVENT: u16 = 27;

/// Parts of the output that are shown only on request.
#[derive(Clone, Copy)]
pub struct PrintOptions<'a> {
    /// Family in front of the protocol (`-o extended`); text only, XML always has it.
    pub layer3: bool,
    /// Id of the entry (`-o id`); text only, XML always has it.
    pub id: bool,
    /// When the flow began and ended (`-o ktimestamp`).
    pub kernel_timestamps: bool,
    /// Wall time of the event (`-o timestamp`): the kernel's time if the event carries it, else `now`. Rows of the
    /// conntrack table do not show it, rows of the expectation table do.
    pub timestamp: bool,
    /// Names of labels (`-o labels`); without them no labels are shown.
    pub labels: Option<&'a LabelMap>,
    /// The time of printing: used as the end of a flow that has not ended, and as the time of an event that carries
    /// none.
    pub now: Timestamp,
    /// Converts Unix seconds to local time; [`CivilTime::utc`] if the time zone is not known.
    pub local_time: &'a dyn Fn(i64) -> CivilTime,
}

impl PrintOptions<'_> {
    #[must_use]
    pub const fn plain(now: Timestamp) -> Self {
        Self {
            layer3: false,
            id: false,
            kernel_timestamps: false,
            timestamp: false,
            labels: None,
            now,
            local_time: &CivilTime::utc,
        }
    }

    pub(crate) fn local(&self, moment: Timestamp) -> CivilTime {
        (self.local_time)(i64::try_from(seconds(moment)).unwrap_or(i64::MAX))
    }

    /// Seconds that a flow lasted, up to now if it has not ended. As in conntrack, the number wraps around if a flow
    /// began later than it ends.
    pub(crate) fn duration(&self, started: Timestamp, stopped: Option<Timestamp>) -> u64 {
        let end = stopped.filter(|stopped| stopped.0 != 0).unwrap_or(self.now);
        seconds(end).wrapping_sub(seconds(started))
    }
}

impl fmt::Debug for PrintOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { layer3, id, kernel_timestamps, timestamp, labels, now, local_time: _ } = self;
        f.debug_struct("PrintOptions")
            .field("layer3", layer3)
            .field("id", id)
            .field("kernel_timestamps", kernel_timestamps)
            .field("timestamp", timestamp)
            .field("labels", labels)
            .field("now", now)
            .finish_non_exhaustive()
    }
}

pub(crate) const fn seconds(moment: Timestamp) -> u64 {
    moment.0 / 1_000_000_000
}

/// The kernel's time of the event (`CTA_TIMESTAMP_EVENT`).
pub(crate) fn event_time(flow: &Flow) -> Option<Timestamp> {
    let unknown = &flow.rare.as_ref()?.unknown;
    let attribute = unknown.iter().find(|attribute| attribute.number == TIMESTAMP_EVENT)?;
    Some(Timestamp(u64::from_be_bytes(attribute.payload.as_slice().try_into().ok()?)))
}
