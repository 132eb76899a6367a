//! Values that rules ask for only if they need them. Addresses of a whole batch are looked up with one call.

use std::net::IpAddr;

use ctwarden_rules::{Address, Listed, Lookup, Source};
use ctwarden_sdk::prelude::*;

/// The values of one batch.
pub(crate) struct BatchSource<'b> {
    lookups: &'b [Lookup],
    flows: &'b [Flow<'b>],
    /// For each lookup, the answers for all flows, once a rule needed one of them.
    answers: Vec<Answers>,
    place: usize,
}

enum Answers {
    NotAsked,
    Refused,
    Given(Vec<Option<String>>),
}

impl<'b> BatchSource<'b> {
    pub(crate) fn new(lookups: &'b [Lookup], flows: &'b [Flow<'b>]) -> Self {
        let answers = lookups.iter().map(|_| Answers::NotAsked).collect();
        Self { lookups, flows, answers, place: 0 }
    }

    fn ask(&self, lookup: &Lookup) -> Answers {
        let address = |flow: &Flow<'_>| -> IpAddr {
            match lookup.address {
                Address::OriginalSrc => flow.original().src,
                Address::OriginalDst => flow.original().dst,
                Address::ReplySrc => flow.reply().src,
                Address::ReplyDst => flow.reply().dst,
            }
        };
        let addresses: Vec<IpAddr> = self.flows.iter().map(address).collect();
        match sets::lookup(&lookup.set, &addresses) {
            Ok(answers) => Answers::Given(answers),
            Err(refusal) => {
                eprintln!("rules that read the set {} do not apply: {}", lookup.set, refusal.as_str());
                Answers::Refused
            }
        }
    }
}

impl Source for BatchSource<'_> {
    fn turn_to(&mut self, place: usize) {
        self.place = place;
    }

    fn helper(&mut self) -> Option<String> {
        self.flows.get(self.place).and_then(Flow::helper)
    }

    fn labels(&mut self) -> Option<u128> {
        self.flows.get(self.place).and_then(Flow::labels).map(|labels| labels.0)
    }

    fn look_up(&mut self, lookup: usize) -> Listed<'_> {
        if let (Some(Answers::NotAsked), Some(asked)) = (self.answers.get(lookup), self.lookups.get(lookup)) {
            let answers = self.ask(asked);
            if let Some(place) = self.answers.get_mut(lookup) {
                *place = answers;
            }
        }
        match self.answers.get(lookup) {
            Some(Answers::Given(values)) => match values.get(self.place) {
                Some(Some(value)) => Listed::With(value),
                Some(None) => Listed::No,
                None => Listed::Unknown,
            },
            Some(Answers::NotAsked | Answers::Refused) | None => Listed::Unknown,
        }
    }
}
