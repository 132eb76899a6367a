//! The claims in the embedded database, and the networks that have vanished from lists: read whole at a start, and written
//! change by change.
//!
//! A thread of its own writes, because a commit waits for the disk. Requests that wait for the disk together share one
//! commit.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, SendError, Sender, channel};
use std::thread::{self, JoinHandle};

use ctwarden_model::{PluginName, SetName, Timestamp};
use ctwarden_sets::{Claim, Member, Source};
use redb::{Database, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition, TableError};
use thiserror::Error;

use crate::set_file::Vanished;
use crate::store::{Disk, StoreError};

/// Set, member and source.
type Key = (&'static str, &'static str, &'static str);
/// Begin, end ([`FOREVER`]: none), value and reason. Times are nanoseconds since the Unix epoch.
type Value = (u64, u64, &'static str, &'static str);

const TABLE: TableDefinition<'_, Key, Value> = TableDefinition::new("claims");
/// Set and network to the end and the value of a network that has vanished from the list of the set.
const VANISHED: TableDefinition<'_, (&str, &str), (u64, &str)> = TableDefinition::new("vanished");
/// Name of the database in the state directory. A database of its own, because a commit of claims must not wait for the
/// memories of plugins.
const FILE: &str = "claims.redb";
/// Instead of an end: the claim has none.
const FOREVER: u64 = u64::MAX;

/// A claim, as the database has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClaimRow {
    pub(crate) set: SetName,
    pub(crate) source: Source,
    pub(crate) member: Member,
    /// `None`: the claim is removed.
    pub(crate) claim: Option<Claim>,
}

/// Why claims could not be read or written.
#[derive(Debug, Error)]
pub(crate) enum ClaimStoreError {
    #[error("claims of address sets: {0}")]
    Store(#[from] StoreError),
    #[error("cannot start the thread that writes claims: {0}; raise the limit of threads of the daemon's user")]
    Thread(io::Error),
}

/// Networks that have vanished from the lists of sets.
pub(crate) type VanishedFromLists = BTreeMap<SetName, Vec<Vanished>>;

/// What the database has.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) claims: Vec<ClaimRow>,
    pub(crate) vanished: VanishedFromLists,
}

/// What is to be written.
enum Job {
    Claims(Vec<ClaimRow>, Committed),
    /// All networks that have vanished from the list of a set.
    Vanished(SetName, Vec<Vanished>),
}

/// Called once with the result of the commit.
pub(crate) type Committed = Box<dyn FnOnce(Result<(), String>) + Send>;

/// The loop's handle of the thread. The thread writes all that is queued before it ends.
#[derive(Debug)]
pub(crate) struct ClaimStore {
    jobs: Option<Sender<Job>>,
    writer: Option<JoinHandle<()>>,
}

impl ClaimStore {
    /// Reads everything and starts the thread.
    ///
    /// # Errors
    /// [`ClaimStoreError`] with the file and the remedy.
    pub(crate) fn open(directory: &Path) -> Result<(Self, Kept), ClaimStoreError> {
        let mut disk = Disk::open_in(directory, FILE)?;
        let kept = disk.with(read)?;
        let (jobs, inbox) = channel();
        let writer = thread::Builder::new()
            .name("ctwarden-claims".into())
            .spawn(move || write_all(&mut disk, &inbox))
            .map_err(ClaimStoreError::Thread)?;
        Ok((Self { jobs: Some(jobs), writer: Some(writer) }, kept))
    }

    /// Writes rows and then calls `committed`.
    pub(crate) fn write(&self, rows: Vec<ClaimRow>, committed: Committed) {
        if let Some(jobs) = &self.jobs
            && let Err(SendError(Job::Claims(_, committed))) = jobs.send(Job::Claims(rows, committed))
        {
            committed(Err("the thread that writes claims has died; start ctwarden again".to_owned()));
        }
    }

    /// Writes which networks have vanished from the list of a set. A failure is only in the log: no client waits.
    pub(crate) fn write_vanished(&self, set: SetName, vanished: Vec<Vanished>) {
        if let Some(jobs) = &self.jobs {
            // An error means that the thread has died, which the next claim reports.
            let _ = jobs.send(Job::Vanished(set, vanished));
        }
    }
}

impl Drop for ClaimStore {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(writer) = self.writer.take() {
            // That thread has reported its own panic.
            drop(writer.join());
        }
    }
}

fn write_all(disk: &mut Disk, inbox: &Receiver<Job>) {
    let mut unwritten = Unwritten::default();
    while let Ok(first) = inbox.recv() {
        let mut waiting = Vec::new();
        for job in std::iter::once(first).chain(inbox.try_iter()) {
            match job {
                Job::Claims(rows, committed) => {
                    unwritten.add(rows);
                    waiting.push(committed);
                }
                Job::Vanished(set, vanished) => drop(unwritten.vanished.insert(set, vanished)),
            }
        }
        let written = unwritten.write(|rows| disk.with(|database| write(database, rows)));
        let written = written.map_err(|error| error.to_string());
        if let (Err(why), true) = (&written, waiting.is_empty()) {
            crate::log::say(&format!("what vanished from lists is not on the disk: {why}"));
        }
        for committed in waiting {
            committed(written.clone());
        }
    }
}

/// Rows that no commit has had, by their keys. A commit that fails leaves them for the next one: a client that asks again
/// changes nothing in memory, and must not be told that the change is on the disk.
#[derive(Debug, Default)]
struct Unwritten {
    claims: BTreeMap<(SetName, Member, Source), Option<Claim>>,
    vanished: VanishedFromLists,
}

impl Unwritten {
    fn add(&mut self, rows: Vec<ClaimRow>) {
        self.claims.extend(rows.into_iter().map(|row| ((row.set, row.member, row.source), row.claim)));
    }

    /// Writes all rows, and keeps them if that fails.
    fn write<E>(&mut self, commit: impl FnOnce(&Self) -> Result<(), E>) -> Result<(), E> {
        if !self.claims.is_empty() || !self.vanished.is_empty() {
            commit(self)?;
            *self = Self::default();
        }
        Ok(())
    }
}

fn read(database: &Database) -> Result<Kept, redb::Error> {
    let transaction = database.begin_read()?;
    Ok(Kept { claims: read_claims(&transaction)?, vanished: read_vanished(&transaction)? })
}

fn read_vanished(transaction: &ReadTransaction) -> Result<VanishedFromLists, redb::Error> {
    let table = match transaction.open_table(VANISHED) {
        Ok(table) => table,
        Err(TableError::TableDoesNotExist(_)) => return Ok(BTreeMap::new()),
        Err(error) => return Err(error.into()),
    };
    let mut vanished = VanishedFromLists::new();
    for entry in table.iter()? {
        let (key, row) = entry?;
        let ((set, network), (until, value)) = (key.value(), row.value());
        // Only this program writes the table; what cannot be read is of a later version.
        if let Ok(network) = network.parse() {
            let row = Vanished { network, value: value.into(), until: Timestamp(until) };
            vanished.entry(SetName(set.to_owned())).or_default().push(row);
        }
    }
    Ok(vanished)
}

fn read_claims(transaction: &ReadTransaction) -> Result<Vec<ClaimRow>, redb::Error> {
    let table = match transaction.open_table(TABLE) {
        Ok(table) => table,
        Err(TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut rows = Vec::new();
    for entry in table.iter()? {
        let (key, claim) = entry?;
        let (set, member, source) = key.value();
        let (since, until, value, reason) = claim.value();
        // Only this program writes the table; what cannot be read is of a later version.
        if let (Ok(member), Some(source)) = (member.parse(), source_of(source)) {
            let until = (until != FOREVER).then_some(Timestamp(until));
            rows.push(ClaimRow {
                set: SetName(set.to_owned()),
                source,
                member,
                claim: Some(Claim::new(Timestamp(since), until, value, reason)),
            });
        }
    }
    Ok(rows)
}

/// The source that a text names. The name of a control client has no space, so it never looks like a policy.
fn source_of(text: &str) -> Option<Source> {
    match text.strip_prefix("policy ") {
        Some(name) => PluginName::new(name).ok().map(Source::Plugin),
        None => Some(Source::Control(text.into())),
    }
}

fn write(database: &Database, rows: &Unwritten) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        let mut table = transaction.open_table(TABLE)?;
        for ((set, member, source), claim) in &rows.claims {
            let (member, source) = (member.to_string(), source.to_string());
            let key = (set.0.as_str(), member.as_str(), source.as_str());
            match claim {
                Some(claim) => {
                    let until = claim.until.map_or(FOREVER, |until| until.0);
                    let (value, reason) = (claim.note.value.as_str(), claim.note.reason.as_str());
                    drop(table.insert(key, (claim.since.0, until, value, reason))?);
                }
                None => drop(table.remove(key)?),
            }
        }
    }
    for (set, vanished) in &rows.vanished {
        let mut table = transaction.open_table(VANISHED)?;
        table.retain(|(of, _), _| of != set.0)?;
        for Vanished { network, value, until } in vanished {
            table.insert((set.0.as_str(), network.to_string().as_str()), (until.0, &**value))?;
        }
    }
    transaction.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(network: &str, until: Option<u64>) -> ClaimRow {
        ClaimRow {
            set: SetName("banned".into()),
            source: Source::Control("alice".into()),
            member: network.parse().unwrap(),
            claim: Some(Claim::new(Timestamp(5), until.map(Timestamp), "v", "a reason")),
        }
    }

    fn commit(store: &ClaimStore, rows: Vec<ClaimRow>) {
        let (done, result) = channel();
        store.write(rows, Box::new(move |committed| done.send(committed).unwrap()));
        assert_eq!(result.recv().unwrap(), Ok(()));
    }

    #[test]
    fn what_a_commit_could_not_write_is_in_the_next_one() {
        let mut unwritten = Unwritten::default();
        unwritten.add(vec![row("198.51.100.7", Some(9))]);
        assert_eq!(unwritten.write(|_| Err("the disk is full")), Err("the disk is full"));
        // A client asks again, and nothing changes.
        unwritten.add(Vec::new());
        assert_eq!(unwritten.write(|_| Err("the disk is full")), Err("the disk is full"));
        unwritten.add(vec![row("198.51.100.7", None), row("192.0.2.1", None)]);
        let mut written = Vec::new();
        let commit = |rows: &Unwritten| {
            written.extend(
                rows.claims.iter().map(|((_, member, _), claim)| (member.to_string(), claim.clone().unwrap().until)),
            );
            Ok::<(), &str>(())
        };
        assert_eq!(unwritten.write(commit), Ok(()));
        assert_eq!(
            written,
            [("192.0.2.1".to_owned(), None), ("198.51.100.7".to_owned(), None)],
            "the later row counts"
        );
        assert_eq!(unwritten.write(|_| Err("not called")), Ok(()), "nothing is left");
    }

    #[test]
    fn what_was_committed_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let (store, kept) = ClaimStore::open(folder.path()).unwrap();
        assert_eq!(kept, Kept::default());
        let (one, two) = (row("198.51.100.7", Some(9)), row("2001:db8::/32", None));
        let policy = Source::Plugin(PluginName::new("port-scan").unwrap());
        let of_policy = ClaimRow { source: policy, ..row("198.51.100.7 tcp/22", None) };
        commit(&store, vec![two.clone(), of_policy.clone(), one.clone()]);
        drop(store);
        let (store, kept) = ClaimStore::open(folder.path()).unwrap();
        assert_eq!(kept.claims, [one.clone(), of_policy.clone(), two.clone()]);
        commit(&store, vec![ClaimRow { claim: None, ..one }]);
        drop(store);
        assert_eq!(ClaimStore::open(folder.path()).unwrap().1.claims, [of_policy, two]);
    }

    #[test]
    fn what_vanished_from_a_list_is_replaced_as_a_whole() {
        let folder = tempfile::tempdir().unwrap();
        let vanished =
            |network: &str| Vanished { network: network.parse().unwrap(), value: "SBL1".into(), until: Timestamp(7) };
        let (drop_list, other) = (SetName("drop".into()), SetName("other".into()));
        let (store, _) = ClaimStore::open(folder.path()).unwrap();
        store.write_vanished(drop_list.clone(), vec![vanished("192.0.2.1"), vanished("192.0.2.2")]);
        store.write_vanished(other.clone(), vec![vanished("192.0.2.1")]);
        store.write_vanished(drop_list.clone(), vec![vanished("192.0.2.2"), vanished("2001:db8::/32")]);
        drop(store);
        let (store, kept) = ClaimStore::open(folder.path()).unwrap();
        let expected = [
            (drop_list.clone(), vec![vanished("192.0.2.2"), vanished("2001:db8::/32")]),
            (other.clone(), vec![vanished("192.0.2.1")]),
        ];
        assert_eq!(kept.vanished, expected.clone().into());
        store.write_vanished(other, Vec::new());
        drop(store);
        let [of_drop_list, _] = expected;
        assert_eq!(ClaimStore::open(folder.path()).unwrap().1.vanished, [of_drop_list].into());
    }
}
