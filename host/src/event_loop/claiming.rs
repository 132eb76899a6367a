//! Claims of people and programs on address sets: requests of the control socket, and claims that end.

use std::path::Path;

use ctwarden_model::{ChangedSet, Prefix, SetName};
use tokio::sync::oneshot;

use super::EventLoop;
use crate::address_sets::{AddressSet, AddressSets};
use crate::claims::{ClaimChange, ClaimStore, ClaimStoreError, Claims};
use crate::clock;
use crate::control::{AddToSet, ClaimReport, ClaimsReport, RemoveFromSet, Response};
use crate::sinks::Rfc3339;

/// Claims in one answer, which takes about a megabyte.
const LISTED: usize = 10_000;

/// The claims, and where they are written.
pub(crate) struct Claiming {
    claims: Claims,
    store: ClaimStore,
}

impl Claiming {
    /// Reads the claims that the state directory has.
    pub(crate) fn open(state: &Path) -> Result<Self, ClaimStoreError> {
        let (store, rows) = ClaimStore::open(state)?;
        Ok(Self { claims: Claims::of(rows, clock::now().wall), store })
    }

    /// Gives a new configuration's sets the networks that are claimed. Returns the sets that have any: plugins that looked
    /// them up while they were configured have not seen these.
    pub(super) fn fill(&self, sets: &AddressSets) -> Vec<ChangedSet> {
        let now = clock::now().wall;
        let mut changed = Vec::new();
        for name in sets.all().into_keys() {
            let claimed = self.claims.networks(&name, now);
            if !claimed.is_empty() {
                let claimed = claimed.iter().map(|(network, value)| (*network, Some(value.as_str())));
                let networks = sets.claim(&name, claimed).unwrap_or_default();
                changed.push(changed_set(name, networks));
            }
        }
        changed
    }

    fn report(&self, set: &SetName, networks: usize) -> ClaimsReport {
        let claims = self.claims.all(set).take(LISTED).map(|(member, source, claim)| ClaimReport {
            network: member.to_string(),
            source: source.to_string(),
            since: format!("{:#}", Rfc3339(claim.since)),
            until: claim.until.map(|until| format!("{:#}", Rfc3339(until))),
            value: claim.note.value.clone(),
            reason: claim.note.reason.clone(),
        });
        let more = self.claims.len(set).saturating_sub(LISTED);
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        ClaimsReport { claims: claims.collect(), more: count(more), networks: count(networks) }
    }
}

fn changed_set(name: SetName, networks: usize) -> ChangedSet {
    ChangedSet { name, networks: u64::try_from(networks).unwrap_or(u64::MAX), counts: None }
}

impl EventLoop {
    pub(super) fn add_to_set(&mut self, request: &AddToSet, answer: oneshot::Sender<Response>) {
        let change = match self.set_named(&request.set) {
            Ok(set) => self.claiming.claims.add(request, set.shortest, clock::now().wall),
            Err(why) => Err(why),
        };
        self.carry_out(change, answer);
    }

    pub(super) fn remove_from_set(&mut self, request: &RemoveFromSet, answer: oneshot::Sender<Response>) {
        let change = match self.set_named(&request.set) {
            Ok(set) => self.claiming.claims.remove(request, set.networks.as_ref(), clock::now().wall),
            Err(why) => Err(why),
        };
        self.carry_out(change, answer);
    }

    pub(super) fn claims_of_set(&self, name: &str) -> Response {
        match self.set_named(name) {
            Ok(set) => {
                let networks = set.all().map_or(0, |networks| networks.len());
                Response::Claims(self.claiming.report(&SetName(name.to_owned()), networks))
            }
            Err(why) => Response::Error(why),
        }
    }

    /// Removes claims that have ended.
    pub(super) fn expire_claims(&mut self) {
        let now = clock::now().wall;
        if self.claiming.claims.next_end().is_some_and(|end| end <= now) {
            let change = self.claiming.claims.expire(now);
            self.apply_claims(&change);
            let failed =
                |why: String| crate::log::say(&format!("ended claims stay on the disk until a restart: {why}"));
            let committed = move |written: Result<(), String>| written.err().map_or((), failed);
            self.claiming.store.write(change.rows, Box::new(committed));
        }
    }

    /// Carries out a change. The client gets the answer once the change is on the disk.
    fn carry_out(&mut self, change: Result<ClaimChange, String>, answer: oneshot::Sender<Response>) {
        let change = match change {
            Ok(change) => change,
            Err(why) => {
                // An error means that the client has disconnected and needs no answer.
                let _ = answer.send(Response::Error(why));
                return;
            }
        };
        self.apply_claims(&change);
        let lines = change.lines;
        let committed = move |written: Result<(), String>| {
            let response = match written {
                Ok(()) => Response::Changed(lines),
                Err(why) => Response::Error(format!(
                    "the sets are changed, but not yet on the disk; correct the cause and ask again: {why}"
                )),
            };
            let _ = answer.send(response);
        };
        self.claiming.store.write(change.rows, Box::new(committed));
    }

    fn apply_claims(&mut self, change: &ClaimChange) {
        for (name, networks) in &change.networks {
            let added: Vec<Prefix> =
                networks.iter().filter_map(|(network, value)| value.as_ref().map(|_| *network)).collect();
            let networks = networks.iter().map(|(network, value)| (*network, value.as_deref()));
            if let Some(networks) = self.sets.claim(name, networks) {
                self.engine.handle_set_changed(clock::now(), changed_set(name.clone(), networks), Some(&added));
            }
        }
    }

    fn set_named(&self, name: &str) -> Result<AddressSet, String> {
        let mut sets = self.sets.all();
        sets.remove(&SetName(name.to_owned())).ok_or_else(|| {
            let names: Vec<String> = sets.keys().map(ToString::to_string).collect();
            let known =
                if names.is_empty() { "it has none".to_owned() } else { format!("it has {}", names.join(", ")) };
            format!("the configuration has no set \"{name}\": {known}; add a section [sets.{name}] and reload")
        })
    }
}
