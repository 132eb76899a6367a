//! Claims on address sets: requests of the control socket, verdicts of policies, and claims that end.
//!
//! A change goes to the packet filter first. Once the kernel holds the change, policies learn of it, and the verdict of a
//! policy has its outcome. A client gets its answer when the change is on the disk as well.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use ctwarden_engine::{Ack, Granted};
use ctwarden_model::{BlockRefusal, ChangedSet, Effect, EffectId, Member, Notice, SetName};
use tokio::sync::oneshot;

use super::EventLoop;
use crate::address_sets::{AddressSet, AddressSets};
use crate::claims::{Accepts, ClaimChange, ClaimRow, ClaimStore, ClaimStoreError, Claims, Told, VanishedFromLists};
use crate::clock;
use crate::control::{AddToSet, ChangedNetwork, ClaimReport, ClaimsReport, RemoveFromSet, Response};
use crate::firewall::{FirewallError, FirewallNews, FirewallTicket, Mirror, MirroredSet};
use crate::set_file::{Networks, Vanished, Version};
use crate::sinks::Rfc3339;

/// Claims in one answer, which takes about a megabyte.
const LISTED: usize = 10_000;

/// The claims, and where they are written.
pub(crate) struct Claiming {
    claims: Claims,
    store: ClaimStore,
    /// Changes that the packet filter carries out.
    pending: BTreeMap<FirewallTicket, Pending>,
    unwritten: Arc<Unwritten>,
    /// What had vanished from lists when the daemon before this one ended, until the first configuration takes it.
    vanished: VanishedFromLists,
    /// The versions of lists whose vanished networks were written last.
    written: BTreeMap<SetName, Arc<Version>>,
}

/// Changes by policies that are perhaps not on the disk.
#[derive(Default)]
struct Unwritten {
    /// Changes whose commit has no result yet.
    open: AtomicUsize,
    /// Whether the last commit failed. Its rows go with the next one.
    failed: AtomicBool,
}

impl Unwritten {
    fn is_nothing(&self) -> bool {
        self.open.load(Ordering::Acquire) == 0 && !self.failed.load(Ordering::Acquire)
    }
}

/// Who waits for a change.
enum Whom {
    /// A client, and the answer for each network.
    Client(oneshot::Sender<Response>, Vec<ChangedNetwork>),
    Policy(EffectId),
    Nobody,
}

/// A change that the packet filter carries out.
struct Pending {
    set: SetName,
    /// The set, if its networks have changed, and the networks that it gained, if they are known.
    changed: Option<(ChangedSet, Option<Vec<Member>>)>,
    rows: Vec<ClaimRow>,
    /// What the records say about the change.
    told: Told,
    whom: Whom,
}

impl Claiming {
    /// Reads the claims that the state directory has.
    pub(crate) fn open(state: &Path) -> Result<Self, ClaimStoreError> {
        let (store, kept) = ClaimStore::open(state)?;
        let claims = Claims::of(kept.claims, clock::now().wall);
        let (pending, unwritten, written) = (BTreeMap::new(), Arc::default(), BTreeMap::new());
        Ok(Self { claims, store, pending, unwritten, vanished: kept.vanished, written })
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

    /// The sets that the packet filter mirrors, with their members.
    pub(super) fn mirrored(&self, mirrors: BTreeMap<SetName, Mirror>, sets: &AddressSets) -> Vec<MirroredSet> {
        let now = clock::now().wall;
        let all = sets.all();
        let mirrored = mirrors.into_iter().map(|(name, mirror)| {
            let list = all.get(&name).and_then(|set| set.networks.clone());
            let claims = self.claims.members(&name, now);
            MirroredSet { name, mirror, list, claims }
        });
        mirrored.collect()
    }

    /// Takes what had vanished from the list of a set when the daemon before this one ended.
    pub(super) fn take_vanished(&mut self, set: &SetName) -> Option<Vec<Vanished>> {
        self.vanished.remove(set)
    }

    /// Writes which networks have vanished from a list, so that they stay after a restart.
    pub(super) fn keep_vanished(&mut self, set: &SetName, version: &Arc<Version>) {
        let before = self.written.insert(set.clone(), Arc::clone(version));
        let vanished = version.vanished();
        let is_same = before.map_or(vanished.is_empty(), |before| before.vanished_as(version));
        if !is_same {
            self.store.write_vanished(set.clone(), vanished);
        }
    }

    /// Policies that have claims, with the number of their claims.
    pub(super) fn policies(&self) -> BTreeMap<ctwarden_model::PluginName, usize> {
        self.claims.policies()
    }

    /// Sends an answer once everything that policies claimed before is on the disk.
    pub(super) fn answer_after_commit(&self, answer: oneshot::Sender<Response>, response: Response) {
        if self.unwritten.is_nothing() {
            // An error means that the client has disconnected and needs no answer.
            let _ = answer.send(response);
            return;
        }
        let unwritten = Arc::clone(&self.unwritten);
        let committed = move |written: Result<(), String>| {
            unwritten.failed.store(written.is_err(), Ordering::Release);
            let _ = answer.send(match written {
                Ok(()) => response,
                Err(why) => Response::Error(not_on_disk(&why)),
            });
        };
        self.store.write(Vec::new(), Box::new(committed));
    }

    fn write(&self, rows: Vec<ClaimRow>) {
        if rows.is_empty() {
            return;
        }
        let unwritten = Arc::clone(&self.unwritten);
        unwritten.open.fetch_add(1, Ordering::AcqRel);
        let committed = move |written: Result<(), String>| {
            unwritten.failed.store(written.is_err(), Ordering::Release);
            unwritten.open.fetch_sub(1, Ordering::AcqRel);
            if let Err(why) = written {
                crate::log::say(&format!("claims on address sets are not on the disk: {why}"));
            }
        };
        self.store.write(rows, Box::new(committed));
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

fn not_on_disk(why: &str) -> String {
    format!("the sets are changed, but not yet on the disk; correct the cause and ask again: {why}")
}

impl EventLoop {
    pub(super) fn add_to_set(&mut self, request: &AddToSet, answer: oneshot::Sender<Response>) {
        let change = match self.set_named(&request.set) {
            Ok(set) => {
                let mirror = self.firewall.mirror(&SetName(request.set.clone()));
                let accepts = Accepts { shortest: set.shortest, never: mirror.map(|_| &self.never), mirror };
                self.claiming.claims.add(request, accepts, clock::now().wall)
            }
            Err(why) => Err(why),
        };
        self.carry_out(&request.set, change, answer);
    }

    pub(super) fn remove_from_set(&mut self, request: &RemoveFromSet, answer: oneshot::Sender<Response>) {
        let change = match self.set_named(&request.set) {
            Ok(set) => self.claiming.claims.remove(request, set.networks.as_ref(), clock::now().wall),
            Err(why) => Err(why),
        };
        self.carry_out(&request.set, change, answer);
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
            self.spread(change, |_| Whom::Nobody);
        }
    }

    /// Carries out the blocks and unblocks of policies. Their outcomes come once the kernel holds them.
    pub(super) fn claim_for_policies(&mut self, effects: Vec<(EffectId, Granted<Effect>)>) {
        let now = clock::now();
        for (id, effect) in effects {
            let effect = effect.into_inner();
            let (set, change) = match &effect {
                Effect::Block(block) => {
                    let change = match self.firewall.mirror(&block.block.set) {
                        // A reload has removed the set after the verdict was granted.
                        None => Err(BlockRefusal::NotConfigured),
                        Some(mirror) if !mirror.holds(block.block.network.family()) => {
                            Err(BlockRefusal::NoSetForFamily)
                        }
                        Some(mirror) if block.block.service.is_some() && !mirror.holds_services => {
                            Err(BlockRefusal::NoServices)
                        }
                        Some(_) => self.claiming.claims.block(block, now.wall).ok_or(BlockRefusal::SetFull),
                    };
                    (&block.block.set, change.map_err(Ack::NotBlocked))
                }
                Effect::Unblock(unblock) => {
                    (&unblock.unblock.set, self.claiming.claims.unblock(unblock, now.wall).ok_or(Ack::Gone))
                }
                Effect::Delete(_) | Effect::Kill(_) | Effect::Update(_) | Effect::DeleteExpectation(_) => continue,
            };
            match change {
                Ok(change) => self.spread_to(set.clone(), change, Whom::Policy(id)),
                Err(ack) => self.engine.handle_ack(now, id, ack),
            }
        }
    }

    /// Carries out a request.
    fn carry_out(&mut self, set: &str, change: Result<ClaimChange, String>, answer: oneshot::Sender<Response>) {
        match change {
            Ok(mut change) => {
                let lines = std::mem::take(&mut change.lines);
                self.spread_to(SetName(set.to_owned()), change, Whom::Client(answer, lines));
            }
            // An error means that the client has disconnected and needs no answer.
            Err(why) => drop(answer.send(Response::Error(why))),
        }
    }

    /// Carries out a change of several sets.
    fn spread(&mut self, mut change: ClaimChange, whom: impl Fn(&SetName) -> Whom) {
        for name in change.members.keys().cloned().collect::<Vec<_>>() {
            let told = change.told.take(&name);
            let (rows, others) = change.rows.into_iter().partition(|row| row.set == name);
            change.rows = others;
            let part = ClaimChange {
                lines: Vec::new(),
                rows,
                told,
                networks: change.networks.remove_entry(&name).into_iter().collect(),
                members: change.members.remove_entry(&name).into_iter().collect(),
            };
            self.spread_to(name.clone(), part, whom(&name));
        }
    }

    /// Gives a change of one set to the policies' view of the set and to the packet filter.
    fn spread_to(&mut self, set: SetName, mut change: ClaimChange, whom: Whom) {
        let networks = change.networks.remove(&set).unwrap_or_default();
        let members = change.members.remove(&set).unwrap_or_default();
        let changed = (!members.is_empty()).then(|| {
            let gained = members.iter().filter(|(_, until)| until.is_some()).map(|(member, _)| *member).collect();
            let networks = networks.iter().map(|(network, value)| (*network, value.as_deref()));
            Some((changed_set(set.clone(), self.sets.claim(&set, networks)?), Some(gained)))
        });
        let changed = changed.flatten();
        let pending = Pending { set: set.clone(), changed, rows: change.rows, told: change.told, whom };
        // An unchanged set is held too: an earlier change may still be on its way.
        if self.firewall.mirrors(&set) {
            let ticket = self.firewall.change(set, members);
            self.claiming.pending.insert(ticket, pending);
        } else {
            self.conclude(pending, Ok(()));
        }
    }

    /// Gives a new list of a set to the packet filter. Policies learn of the list once the kernel holds it.
    pub(super) fn spread_list(
        &mut self,
        set: SetName,
        list: Networks,
        changed: ChangedSet,
        gained: Option<Vec<Member>>,
    ) {
        let pending = Pending {
            set: set.clone(),
            changed: Some((changed, gained)),
            rows: Vec::new(),
            told: Told::default(),
            whom: Whom::Nobody,
        };
        if self.firewall.mirrors(&set) {
            let ticket = self.firewall.use_list(set, list);
            self.claiming.pending.insert(ticket, pending);
        } else {
            self.conclude(pending, Ok(()));
        }
    }

    /// Takes note of what the packet filter has done.
    pub(super) fn note_firewall(&mut self, news: FirewallNews) {
        match news {
            FirewallNews::Done(ticket, result) => {
                if let Some(pending) = self.claiming.pending.remove(&ticket) {
                    self.conclude(pending, result);
                }
            }
            FirewallNews::Repaired(text) => self.write(Notice::FirewallRepaired(text)),
        }
    }

    fn conclude(&mut self, pending: Pending, held: Result<(), FirewallError>) {
        let Pending { set, changed, rows, told, whom } = pending;
        let now = clock::now();
        for told in told.into_changes() {
            self.write(Notice::ClaimsChanged(Box::new(told)));
        }
        if let Some((changed, gained)) = changed {
            self.engine.handle_set_changed(now, changed, gained.as_deref());
        }
        match whom {
            Whom::Nobody => self.claiming.write(rows),
            Whom::Policy(effect) => {
                let ack = match &held {
                    Ok(()) => Ack::Done,
                    Err(error) => {
                        // The record has no field for the names of the table and the set.
                        crate::log::say(&format!("set {set}: {error}"));
                        error.ack()
                    }
                };
                self.engine.handle_ack(now, effect, ack);
                self.claiming.write(rows);
            }
            Whom::Client(answer, mut lines) => {
                if let Err(error) = held {
                    for line in &mut lines {
                        line.text = format!("{}, but the packet filter does not follow: {error}", line.text);
                        line.done = false;
                    }
                }
                let committed = move |written: Result<(), String>| {
                    // An error means that the client has disconnected and needs no answer.
                    let _ = answer.send(match written {
                        Ok(()) => Response::Changed(lines),
                        Err(why) => Response::Error(not_on_disk(&why)),
                    });
                };
                self.claiming.store.write(rows, Box::new(committed));
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
