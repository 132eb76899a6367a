//! The value of `--since`: a time before now, or a moment in RFC 3339.

use std::str::FromStr;

use ctwarden_control::parse_time;
use ctwarden_model::Timestamp;

use crate::config::Period;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// Nanoseconds before now.
    Ago(u64),
    At(Timestamp),
}

impl Moment {
    pub(super) fn before(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Ago(nanos) => Timestamp(now.0.saturating_sub(nanos)),
            Self::At(at) => at,
        }
    }
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(period) = text.parse::<Period>() {
            return Ok(Self::Ago(u64::try_from(period.0.as_nanos()).unwrap_or(u64::MAX)));
        }
        let refused = || format!("\"{text}\" is no time; write one such as 5m, or 2026-11-30T12:00:00Z");
        parse_time(text).map(Self::At).ok_or_else(refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::Rfc3339;

    #[test]
    fn a_moment_is_that_of_its_text() {
        for text in
            ["1970-01-01T00:00:00.000000000Z", "2024-02-29T23:59:59.999999999Z", "2100-03-01T00:00:00.000000001Z"]
        {
            let Moment::At(at) = text.parse().unwrap() else { panic!("{text}") };
            assert_eq!(Rfc3339(at).to_string(), text);
        }
        let at = |text: &str| text.parse::<Moment>().unwrap();
        assert_eq!(at("2026-11-30T13:30:00+01:30"), at("2026-11-30T12:00:00Z"));
        assert_eq!(at("2026-11-30T00:00:00-00:30"), at("2026-11-30 00:30:00Z"));
        assert_eq!(at("2026-11-30"), at("2026-11-30T00:00:00.0Z"));
    }

    #[test]
    fn a_time_counts_back_from_now() {
        let now = Timestamp(600_000_000_000);
        assert_eq!("5m".parse::<Moment>().unwrap().before(now), Timestamp(300_000_000_000));
        assert_eq!("1h".parse::<Moment>().unwrap().before(now), Timestamp(0));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for wrong in [
            "",
            "5",
            "yesterday",
            "2026-02-29",
            "2026-13-01",
            "2026-11-30T24:00:00Z",
            "2026-11-30T12:00:00",
            "2026-11-30T12:00Z",
            "2026-11-30T12:00:00.xZ",
            "2026-1-30",
            "2026-11-30T12:00:00+1:00",
        ] {
            let said = wrong.parse::<Moment>().unwrap_err();
            assert_eq!(said, format!("\"{wrong}\" is no time; write one such as 5m, or 2026-11-30T12:00:00Z"));
        }
    }
}
