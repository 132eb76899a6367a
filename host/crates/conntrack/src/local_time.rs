//! The local time of the machine, as `TZ` and /etc/localtime say.
//!
//! `jiff` knows the rules of time zones; dates are [`CivilTime`]. The rules are read only when a time is printed: most
//! commands print none.

use std::cell::OnceCell;

use ctwarden_format::CivilTime;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// The machine's time zone.
#[derive(Default)]
pub(super) struct LocalTime {
    zone: OnceCell<TimeZone>,
}

impl LocalTime {
    /// The local date and time at that many seconds since the epoch; UTC if the date is out of range.
    pub(super) fn at(&self, seconds: i64) -> CivilTime {
        let Ok(moment) = Timestamp::from_second(seconds) else { return CivilTime::utc(seconds) };
        CivilTime::utc(seconds.saturating_add(i64::from(self.zone().to_offset(moment).seconds())))
    }

    /// The seconds since the epoch at that local time; `None` if that local time does not exist. If an hour occurs
    /// twice, the first one counts.
    pub(super) fn seconds(&self, time: &CivilTime) -> Option<i64> {
        let CivilTime { year, month, day, weekday: _, hour, minute, second } = *time;
        let [month, day, hour, minute, second] = [month, day, hour, minute, second].map(|part| i8::try_from(part).ok());
        let date = DateTime::new(i16::try_from(year).ok()?, month?, day?, hour?, minute?, second?, 0).ok()?;
        let moment = self.zone().to_ambiguous_timestamp(date).compatible().ok()?;
        Some(moment.as_second())
    }

    fn zone(&self) -> &TimeZone {
        self.zone.get_or_init(TimeZone::system)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_the_place_is_a_moment() {
        let place = LocalTime::default();
        place.zone.set(TimeZone::fixed(jiff::tz::offset(5))).unwrap();
        for seconds in [0, 1_757_235_600, 1_795_360_829] {
            let time = place.at(seconds);
            assert_eq!(place.seconds(&time), Some(seconds), "{time:?}");
            assert_ne!(time, CivilTime::utc(seconds));
        }
        assert_eq!(place.seconds(&CivilTime { month: 13, ..CivilTime::utc(0) }), None);
    }
}
