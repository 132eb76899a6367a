//! Compares counts with those that landed last: which changes are reported, and which must not land.

use std::collections::BTreeMap;

use anyhow::{Result, bail};

use super::callgrind::Count;

/// A change of more than this share, in either direction, is reported; an increase fails.
const ALLOWED: f64 = 0.05;

/// All bodies with their counts before and now.
#[derive(Debug)]
pub(crate) struct Comparison<'a> {
    counts: &'a [Count],
    /// The landed counts. `None` if nothing was compared.
    landed: Option<&'a BTreeMap<String, f64>>,
    /// Landed bodies that no longer exist.
    vanished: Vec<&'a str>,
}

/// A count in relation to the landed one.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Standing {
    /// There is no landed count.
    New,
    /// Changed by this share.
    Changed { landed: f64, by: f64 },
}

impl<'a> Comparison<'a> {
    pub(crate) const fn without(counts: &'a [Count]) -> Self {
        Self { counts, landed: None, vanished: Vec::new() }
    }

    /// `all` tells whether every body was counted, so that a missing body has vanished.
    pub(crate) fn of(landed: &'a BTreeMap<String, f64>, counts: &'a [Count], all: bool) -> Self {
        let is_gone = |name: &&str| all && counts.iter().all(|count| count.body.name != **name);
        let vanished = landed.keys().map(String::as_str).filter(is_gone).collect();
        Self { counts, landed: Some(landed), vanished }
    }

    /// A line for each body.
    pub(crate) fn table(&self) -> String {
        let width = self.counts.iter().map(|count| count.body.name.len()).max().unwrap_or(0);
        let mut text = format!("{:width$}  {:>12}  {:>12}  {:>9}\n", "", "instructions", "landed", "change");
        for count in self.counts {
            let (landed, change) = match self.standing(count) {
                None => ("-".to_owned(), "-".to_owned()),
                Some(Standing::New) => ("-".to_owned(), "new".to_owned()),
                Some(Standing::Changed { landed, by }) => (format!("{landed:.1}"), format!("{:+.2} %", by * 100.0)),
            };
            let (name, now, operation) = (&count.body.name, count.instructions, &count.body.operation);
            text.push_str(&format!("{name:width$}  {now:12.1}  {landed:>12}  {change:>9}  {operation}\n"));
        }
        text
    }

    /// A suggestion when nothing fails.
    pub(crate) fn advice(&self) -> Option<String> {
        let fallen: Vec<&str> =
            self.names(|standing| matches!(standing, Standing::Changed { by, .. } if by < -ALLOWED));
        (!fallen.is_empty()).then(|| {
            let names = fallen.join(", ");
            format!("fewer than landed: {names}; `cargo xtask counts --keep` records the gain")
        })
    }

    /// An error if a count must not land.
    pub(crate) fn verdict(&self) -> Result<()> {
        let risen = self.names(|standing| matches!(standing, Standing::Changed { by, .. } if by > ALLOWED));
        let new = self.names(|standing| standing == Standing::New);
        let mut reasons = Vec::new();
        if !risen.is_empty() {
            reasons.push(format!(
                "more than {:.0} % above what landed: {}; `callgrind_annotate target/counts/NAME.callgrind` shows \
                 where. If the increase is intended, run `cargo xtask counts --keep`, commit tests/counts/landed.toml \
                 and say why",
                ALLOWED * 100.0,
                risen.join(", ")
            ));
        }
        if !new.is_empty() || !self.vanished.is_empty() {
            let names: Vec<&str> = new.into_iter().chain(self.vanished.iter().copied()).collect();
            reasons.push(format!(
                "tests/counts/landed.toml does not match the bodies: {}; run `cargo xtask counts --keep` and commit it",
                names.join(", ")
            ));
        }
        if !reasons.is_empty() {
            bail!("{}", reasons.join("\n"));
        }
        Ok(())
    }

    fn standing(&self, count: &Count) -> Option<Standing> {
        let landed = self.landed?.get(&count.body.name).copied();
        Some(landed.map_or(Standing::New, |landed| Standing::Changed { landed, by: count.instructions / landed - 1.0 }))
    }

    fn names(&self, held: impl Fn(Standing) -> bool) -> Vec<&'a str> {
        let of = |count: &&Count| self.standing(count).is_some_and(&held);
        self.counts.iter().filter(of).map(|count| count.body.name.as_str()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::callgrind::Body;
    use super::*;

    fn counts<const N: usize>(list: [(&str, f64); N]) -> Vec<Count> {
        let body = |name: &str| Body { name: name.into(), operation: "a thing".into() };
        list.map(|(name, instructions)| Count { body: body(name), instructions }).into()
    }

    fn landed<const N: usize>(list: [(&str, f64); N]) -> BTreeMap<String, f64> {
        list.map(|(name, count)| (name.to_owned(), count)).into()
    }

    fn verdict(landed: &BTreeMap<String, f64>, counts: &[Count]) -> String {
        Comparison::of(landed, counts, true).verdict().map_or_else(|error| error.to_string(), |()| String::new())
    }

    #[test]
    fn a_rise_of_more_than_a_twentieth_fails_and_is_named() {
        let landed = landed([("one", 1_000.0), ("two", 1_000.0), ("three", 1_000.0)]);
        let counts = counts([("one", 1_049.9), ("two", 1_050.1), ("three", 1_000.0)]);
        let said = verdict(&landed, &counts);
        assert!(said.contains("5 % above what landed: two;") && said.contains("--keep"), "{said}");
        assert_eq!(Comparison::of(&landed, &counts, true).advice(), None);
    }

    #[test]
    fn a_fall_does_not_fail_and_is_worth_keeping() {
        let landed = landed([("one", 1_000.0), ("two", 1_000.0)]);
        let counts = counts([("one", 949.0), ("two", 951.0)]);
        assert_eq!(verdict(&landed, &counts), "");
        let advice = Comparison::of(&landed, &counts, true).advice().unwrap();
        assert!(advice.starts_with("fewer than landed: one;") && advice.contains("--keep"), "{advice}");
    }

    #[test]
    fn a_body_that_did_not_land_or_is_gone_fails() {
        let landed = landed([("one", 1_000.0), ("old", 1_000.0)]);
        let counts = counts([("one", 1_000.0), ("young", 1_000.0)]);
        let said = verdict(&landed, &counts);
        assert!(said.contains("does not match the bodies: young, old;"), "{said}");
    }

    #[test]
    fn what_was_not_looked_at_has_not_vanished() {
        let landed = landed([("one", 1_000.0), ("other", 1_000.0)]);
        let counts = counts([("one", 1_000.0)]);
        Comparison::of(&landed, &counts, false).verdict().unwrap();
    }

    #[test]
    fn without_landed_counts_nothing_is_compared() {
        let counts = counts([("one", 1_000.0)]);
        let comparison = Comparison::without(&counts);
        comparison.verdict().unwrap();
        assert!(
            comparison.table().ends_with("one        1000.0             -          -  a thing\n"),
            "{}",
            comparison.table()
        );
    }

    #[test]
    fn the_table_lines_up() {
        let landed = landed([("one", 1_000.0)]);
        let counts = counts([("one", 1_010.0), ("three", 2.5)]);
        assert_eq!(
            Comparison::of(&landed, &counts, true).table(),
            "       instructions        landed     change\n\
             one          1010.0        1000.0    +1.00 %  a thing\n\
             three           2.5             -        new  a thing\n"
        );
    }
}
