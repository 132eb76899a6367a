//! A timestamp as RFC 3339 writes it, in UTC with nanoseconds.
//!
//! Records carry it in one fixed width, so that lines sort by it. The calendar is that of the conntrack command.

use std::fmt;

use ctwarden_format::CivilTime;
use ctwarden_model::Timestamp;

const NANOS: u64 = 1_000_000_000;

/// Displays a timestamp in the form "2026-11-22T12:00:00.000000000Z".
pub(crate) struct Rfc3339(pub Timestamp);

impl fmt::Display for Rfc3339 {
    /// With nanoseconds, or in whole seconds as `{:#}`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = i64::try_from(self.0.0 / NANOS).unwrap_or(i64::MAX);
        let CivilTime { year, month, day, weekday: _, hour, minute, second } = CivilTime::utc(seconds);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        if f.alternate() { f.write_str("Z") } else { write!(f, ".{:09}Z", self.0.0 % NANOS) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(seconds: u64, nanos: u64) -> String {
        Rfc3339(Timestamp(seconds * NANOS + nanos)).to_string()
    }

    #[test]
    fn known_moments() {
        // As `date -u --date=@SECONDS` gives them.
        assert_eq!(written(0, 0), "1970-01-01T00:00:00.000000000Z");
        assert_eq!(format!("{:#}", Rfc3339(Timestamp(NANOS - 1))), "1970-01-01T00:00:00Z");
        assert_eq!(written(951_782_400, 1), "2000-02-29T00:00:00.000000001Z");
        assert_eq!(written(1_709_251_199, 999_999_999), "2024-02-29T23:59:59.999999999Z");
        assert_eq!(written(4_107_542_400, 0), "2100-03-01T00:00:00.000000000Z");
        assert_eq!(written(1_000_000_000, 0), "2001-09-09T01:46:40.000000000Z");
        assert_eq!(Rfc3339(Timestamp(u64::MAX)).to_string(), "2554-07-21T23:34:33.709551615Z");
    }
}
