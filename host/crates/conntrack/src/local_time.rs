//! The local time of the machine, as `TZ` and /etc/localtime say.
//!
//! Read only when a time is printed: most commands print none.

use std::cell::OnceCell;

use ctwarden_format::CivilTime;
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// The place of the machine.
#[derive(Default)]
pub(super) struct LocalTime {
    zone: OnceCell<TimeZone>,
}

impl LocalTime {
    /// The calendar and the clock on the wall at that many seconds since the epoch; UTC where the calendar does not reach.
    pub(super) fn at(&self, seconds: i64) -> CivilTime {
        let Ok(moment) = Timestamp::from_second(seconds) else { return CivilTime::utc(seconds) };
        let zone = self.zone.get_or_init(TimeZone::system);
        CivilTime::utc(seconds.saturating_add(i64::from(zone.to_offset(moment).seconds())))
    }
}
