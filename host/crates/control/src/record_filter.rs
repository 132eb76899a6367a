//! Which records a client wants to see: one test for the daemon and for files of records.

use ctwarden_model::{Outcome, Prefix, VerdictKind};

use crate::Follow;

/// A compiled [`Follow`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordFilter {
    plugins: Vec<String>,
    kinds: Vec<String>,
    outcomes: Vec<String>,
    networks: Vec<Prefix>,
    flows: bool,
}

/// The properties of a record that a [`RecordFilter`] tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Facets<'a> {
    /// A verdict, fault or notice.
    Decision {
        plugin: Option<&'a str>,
        /// The kind of the verdict, `fault` or `notice`.
        kind: &'a str,
        outcome: Option<&'a str>,
        networks: Vec<Prefix>,
    },
    /// The begin or end of a flow, and its addresses.
    Flow(Vec<Prefix>),
    /// A report of lost records. Every filter shows it, because any of the lost records may have matched.
    Loss,
}

impl RecordFilter {
    /// The name of a fault among the kinds.
    pub const FAULT: &'static str = "fault";
    /// The name of a notice among the kinds.
    pub const NOTICE: &'static str = "notice";

    /// Compiles the request.
    ///
    /// # Errors
    /// A word that is no kind, no outcome or no address, and the words that are possible.
    pub fn new(follow: &Follow) -> Result<Self, String> {
        let mut kinds: Vec<&str> = VerdictKind::ALL.iter().map(|kind| kind.name()).collect();
        kinds.extend([Self::FAULT, Self::NOTICE]);
        known("kind", &follow.kinds, &kinds)?;
        known("outcome", &follow.outcomes, &Outcome::NAMES)?;
        let network = |text: &String| {
            let example = "write one such as 192.0.2.1 or 2001:db8::/32";
            text.parse().map_err(|error| format!("\"{text}\" is no address and no network: {error}; {example}"))
        };
        Ok(Self {
            plugins: follow.plugins.clone(),
            kinds: follow.kinds.clone(),
            outcomes: follow.outcomes.clone(),
            networks: follow.addresses.iter().map(network).collect::<Result<_, _>>()?,
            flows: follow.flows,
        })
    }

    /// Whether begins and ends of flows are wanted.
    #[must_use]
    pub const fn wants_flows(&self) -> bool {
        self.flows
    }

    #[must_use]
    pub fn matches(&self, facets: &Facets<'_>) -> bool {
        let names = |list: &[String], name: Option<&str>| {
            list.is_empty() || name.is_some_and(|name| list.iter().any(|listed| listed == name))
        };
        match facets {
            Facets::Decision { plugin, kind, outcome, networks } => {
                names(&self.plugins, *plugin)
                    && names(&self.kinds, Some(*kind))
                    && names(&self.outcomes, *outcome)
                    && self.meets(networks)
            }
            Facets::Flow(networks) => self.flows && self.meets(networks),
            Facets::Loss => true,
        }
    }

    fn meets(&self, networks: &[Prefix]) -> bool {
        self.networks.is_empty()
            || self
                .networks
                .iter()
                .any(|wanted| networks.iter().any(|network| wanted.covers(*network) || network.covers(*wanted)))
    }
}

fn known(what: &str, words: &[String], possible: &[&str]) -> Result<(), String> {
    match words.iter().find(|word| !possible.contains(&word.as_str())) {
        None => Ok(()),
        Some(word) => Err(format!("\"{word}\" is no {what}; write one of {}", possible.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(follow: Follow) -> RecordFilter {
        RecordFilter::new(&follow).unwrap()
    }

    fn delete<'a>(plugin: &'a str, outcome: &'a str, address: &str) -> Facets<'a> {
        let networks = vec![address.parse().unwrap()];
        Facets::Decision { plugin: Some(plugin), kind: "delete", outcome: Some(outcome), networks }
    }

    #[test]
    fn every_part_must_hold_and_each_list_is_a_choice() {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let wanted = filter(Follow {
            plugins: words(&["a", "b"]),
            kinds: words(&["delete", "kill"]),
            outcomes: words(&["applied"]),
            addresses: words(&["192.0.2.0/24", "2001:db8::1"]),
            ..Follow::default()
        });
        assert!(wanted.matches(&delete("a", "applied", "192.0.2.7")));
        assert!(wanted.matches(&delete("b", "applied", "2001:db8::1")));
        assert!(wanted.matches(&delete("b", "applied", "192.0.0.0/16")), "a wider network holds the address");
        for other in [
            delete("c", "applied", "192.0.2.7"),
            delete("a", "gone", "192.0.2.7"),
            delete("a", "applied", "192.0.3.7"),
            Facets::Decision { plugin: None, kind: "notice", outcome: None, networks: Vec::new() },
            Facets::Flow(vec!["192.0.2.7".parse().unwrap()]),
        ] {
            assert!(!wanted.matches(&other), "{other:?}");
        }
        assert!(wanted.matches(&Facets::Loss));
    }

    #[test]
    fn flows_are_selected_by_address_only() {
        let follow = Follow { plugins: vec!["a".into()], flows: true, ..Follow::default() };
        let address = |text: &str| Facets::Flow(vec![text.parse().unwrap()]);
        assert!(filter(follow.clone()).matches(&address("192.0.2.7")));
        let near = filter(Follow { addresses: vec!["192.0.2.7".into()], ..follow });
        assert!(near.matches(&address("192.0.2.7")) && !near.matches(&address("192.0.2.8")));
    }

    #[test]
    fn a_wrong_word_is_named_with_those_that_are_possible() {
        let kinds = Follow { kinds: vec!["remove".into()], ..Follow::default() };
        let said = RecordFilter::new(&kinds).unwrap_err();
        assert!(said.starts_with("\"remove\" is no kind; write one of delete, ") && said.ends_with("fault, notice"));
        let outcomes = Follow { outcomes: vec!["done".into()], ..Follow::default() };
        assert!(RecordFilter::new(&outcomes).unwrap_err().starts_with("\"done\" is no outcome; write one of applied"));
        let addresses = Follow { addresses: vec!["example".into()], ..Follow::default() };
        let said = RecordFilter::new(&addresses).unwrap_err();
        assert!(said.starts_with("\"example\" is no address and no network: "), "{said}");
    }
}
