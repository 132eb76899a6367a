//! Storage of plugins that survives faults, reloads and restarts: keys and bytes, private to each plugin, with a quota.
//!
//! A plugin may write for each flow, so a write must cost no more than a change in memory. Each plugin's keys are held
//! in memory. A separate thread writes the changes into one embedded database (redb), all in one transaction a second
//! and at the end. A crash of the daemon loses at most that second and never half a transaction.

mod memory;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use std::{io, thread};

use ctwarden_model::{PluginName, Timestamp};
use redb::backends::FileBackend;
use redb::{Database, DatabaseError, ReadableDatabase, TableDefinition, TableError};
use rustix::fs::Mode;
use thiserror::Error;

use self::memory::{Memory, Stored};
use crate::clock;
use crate::trusted_path::{AccessError, Directory};

/// Plugin and key to value.
const TABLE: TableDefinition<'_, (&str, &str), &[u8]> = TableDefinition::new("memory");
/// Plugin and key to the end of the key's lifetime, in nanoseconds since the Unix epoch. A key without a row here has no
/// end.
const ENDS: TableDefinition<'_, (&str, &str), u64> = TableDefinition::new("memory-ends");
/// Name of the database in the state directory.
const FILE: &str = "memory.redb";
/// The limit of a key in the WIT.
pub(crate) const KEY_BYTES_MAX: usize = 256;
/// Time between two writes of the changes.
const FLUSH_EVERY: Duration = Duration::from_secs(1);
/// Size of the database's own page cache. The plugins' memories hold the values.
const CACHE_BYTES: usize = 4 << 20;

/// Why the store could not be opened.
#[derive(Debug, Error)]
pub(crate) enum StoreError {
    /// The directory cannot be created, or other users could change its content.
    #[error("cannot use the state directory {path}: {error}; or name another in [daemon] state")]
    Directory { path: PathBuf, error: AccessError },
    /// Other users could change the database, or it cannot be opened.
    #[error("cannot use {path}: {error}")]
    Access { path: PathBuf, error: AccessError },
    /// Another process uses the database.
    #[error("{0} is in use by another ctwarden; stop that process or set another [daemon] state")]
    InUse(PathBuf),
    /// The file is not a database, or a broken one.
    #[error("{path} is damaged: {error}; move it away to start without its content (`mv {path} {path}.damaged`)")]
    Damaged {
        path: PathBuf,
        /// The error of the database.
        error: String,
    },
    /// A system call failed.
    #[error("cannot use {path}: {error}; check the directory's owner and the space on its disk")]
    Io {
        path: PathBuf,
        /// The error of the database.
        error: String,
    },
    #[error(
        "cannot start the thread that writes plugins' memories: {0}; raise the limit of threads of the daemon's user"
    )]
    Thread(io::Error),
}

/// How much a plugin may store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quota {
    pub keys: usize,
    /// Bytes of keys and values.
    pub bytes: usize,
}

type Memories = Arc<Mutex<BTreeMap<String, Arc<Mutex<Memory>>>>>;

/// The store of all plugins.
#[derive(Debug)]
pub(crate) struct Store {
    disk: Arc<Mutex<Disk>>,
    memories: Memories,
    stop: Option<Sender<()>>,
    writer: Option<JoinHandle<()>>,
}

/// One plugin's view of the store. Copies share the same keys, so an instance that replaces another finds its memory.
#[derive(Clone, Debug)]
pub(crate) struct PluginMemory(Arc<Mutex<Memory>>);

impl Store {
    /// Opens the store in a directory, which is created if it is missing. `report` gets one line when writing begins to
    /// fail and when it works again. The store's own thread calls it.
    ///
    /// # Errors
    /// [`StoreError`] with the file and the remedy.
    pub(crate) fn open(directory: &Path, report: impl Fn(String) + Send + 'static) -> Result<Self, StoreError> {
        let disk = Arc::new(Mutex::new(Disk::open_in(directory, FILE)?));
        let memories = Memories::default();
        let (stop, stopped) = channel();
        let mut flusher = Flusher { disk: Arc::clone(&disk), memories: Arc::clone(&memories), failing: false, report };
        let writer = thread::Builder::new()
            .name("ctwarden-store".into())
            .spawn(move || flusher.run(&stopped))
            .map_err(StoreError::Thread)?;
        Ok(Self { disk, memories, stop: Some(stop), writer: Some(writer) })
    }

    /// Returns the memory of a plugin. A smaller quota than before drops nothing; only new keys and bytes are refused.
    ///
    /// # Errors
    /// [`StoreError`] if the database cannot be read.
    pub(crate) fn plugin(&self, name: &PluginName, quota: Quota) -> Result<PluginMemory, StoreError> {
        // Lock order everywhere: the disk, the memories, one memory.
        let mut disk = lock(&self.disk);
        let mut memories = lock(&self.memories);
        if let Some(known) = memories.get(name.as_str()) {
            lock(known).quota = quota;
            return Ok(PluginMemory(Arc::clone(known)));
        }
        let memory = Arc::new(Mutex::new(Memory::new(disk.read(name.as_str())?, quota)));
        memories.insert(name.as_str().to_owned(), Arc::clone(&memory));
        Ok(PluginMemory(memory))
    }

    /// Writes the changes now. The end of the store writes them too.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails. The changes are kept and tried again.
    #[cfg(test)]
    pub(crate) fn flush(&self) -> Result<(), StoreError> {
        flush(&self.disk, &self.memories, clock::now().wall)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(writer) = self.writer.take() {
            // That thread has reported its own panic.
            drop(writer.join());
        }
    }
}

impl PluginMemory {
    /// An empty memory that belongs to no store.
    pub(crate) fn scratch(quota: Quota) -> Self {
        Self(Arc::new(Mutex::new(Memory::new(BTreeMap::new(), quota))))
    }

    /// Copies the keys into a memory that belongs to no store, so no change of the copy lasts.
    pub(crate) fn copy(&self) -> Self {
        let Memory { values, quota, .. } = &*lock(&self.0);
        Self(Arc::new(Mutex::new(Memory::new(values.clone(), *quota))))
    }

    /// The value of a key.
    #[must_use]
    pub(crate) fn get(&self, key: &str) -> Option<Vec<u8>> {
        self.present(clock::now().wall).values.get(key).map(|stored| stored.value.clone())
    }

    /// Locks the memory and removes what has ended.
    fn present(&self, now: Timestamp) -> MutexGuard<'_, Memory> {
        let mut memory = lock(&self.0);
        memory.expire(now);
        memory
    }

    /// Sets the value of a key, for `lifetime` seconds. `None`: until it is removed.
    ///
    /// # Errors
    /// One line for the plugin: the key is too long, or the quota of keys or bytes is used up.
    pub(crate) fn set(&self, key: &str, value: &[u8], lifetime: Option<u32>) -> Result<(), String> {
        let now = clock::now().wall;
        let end =
            lifetime.map(|seconds| Timestamp(now.0.saturating_add(u64::from(seconds).saturating_mul(1_000_000_000))));
        self.set_until(key, value, end, now)
    }

    fn set_until(&self, key: &str, value: &[u8], end: Option<Timestamp>, now: Timestamp) -> Result<(), String> {
        if key.len() > KEY_BYTES_MAX {
            return Err(format!("the key has {} bytes, more than the allowed {KEY_BYTES_MAX}", key.len()));
        }
        let mut memory = self.present(now);
        let Memory { values, bytes, quota, .. } = &*memory;
        let before = values.get(key);
        if before.is_none() && values.len() >= quota.keys {
            return Err(format!(
                "the quota of {} keys is used up; remove keys or raise store-keys in its [plugin.limits]",
                quota.keys
            ));
        }
        let freed = before.map_or(0, |before| key.len() + before.value.len());
        let needed = bytes.saturating_sub(freed).saturating_add(key.len()).saturating_add(value.len());
        // A value that does not grow is accepted even over a lowered quota.
        if needed > quota.bytes && needed > *bytes {
            return Err(format!(
                "the quota of {} bytes is used up; remove keys or raise store in its [plugin.limits]",
                quota.bytes
            ));
        }
        if before.is_some_and(|before| before.value == value && before.end == end) {
            return Ok(());
        }
        memory.insert(key, Stored { value: value.to_owned(), end });
        memory.expire(now);
        Ok(())
    }

    /// Removes a key. A missing key is no error.
    pub(crate) fn remove(&self, key: &str) {
        lock(&self.0).remove(key);
    }

    /// Returns the keys with this prefix, in order of their bytes.
    #[must_use]
    pub(crate) fn keys(&self, beginning: &str) -> Vec<String> {
        let memory = self.present(clock::now().wall);
        let from_there =
            memory.values.range::<str, _>((std::ops::Bound::Included(beginning), std::ops::Bound::Unbounded));
        from_there.map(|(key, _)| key).take_while(|key| key.starts_with(beginning)).cloned().collect()
    }
}

/// Locks a mutex, poisoned or not: each change is one step, so a thread that panicked left whole values behind.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The database. After a failure of the disk redb refuses all further work on a handle, so the database is opened
/// again.
#[derive(Debug)]
pub(crate) struct Disk {
    /// Held open, so nothing else can take its path while the daemon runs.
    directory: Directory,
    file: &'static str,
    path: PathBuf,
    database: Option<Database>,
}

impl Disk {
    /// Opens a database in a directory. Both are created if they are missing.
    ///
    /// # Errors
    /// [`StoreError`] with the file and the remedy.
    pub(crate) fn open_in(directory: &Path, file: &'static str) -> Result<Self, StoreError> {
        let directory = Directory::open_or_make(directory, Mode::RWXU)
            .map_err(|error| StoreError::Directory { path: directory.to_path_buf(), error })?;
        let mut disk = Self { path: directory.path().join(file), directory, file, database: None };
        disk.database = Some(disk.open()?);
        Ok(disk)
    }

    /// Runs work on the database.
    pub(crate) fn with<T>(&mut self, work: impl FnOnce(&Database) -> Result<T, redb::Error>) -> Result<T, StoreError> {
        let database = match self.database.take() {
            Some(database) => database,
            None => self.open()?,
        };
        match work(&database) {
            Ok(done) => {
                self.database = Some(database);
                Ok(done)
            }
            Err(error) => Err(of_database(&self.path, &error)),
        }
    }

    fn open(&self) -> Result<Database, StoreError> {
        let path = || self.path.clone();
        let file = self.directory.open_or_make_file(OsStr::new(self.file), Mode::RUSR | Mode::WUSR);
        let file = file.map_err(|error| StoreError::Access { path: path(), error })?;
        // Check the whole file at each opening: it is small, and a damaged file must be reported, not trusted.
        let opened = FileBackend::new(file).and_then(|file| {
            let mut builder = redb::Builder::new();
            builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true).create_with_backend(file)
        });
        match opened {
            Ok(database) => Ok(database),
            Err(DatabaseError::DatabaseAlreadyOpen) => Err(StoreError::InUse(path())),
            Err(error) => Err(of_database(&self.path, &error.into())),
        }
    }

    fn read(&mut self, plugin: &str) -> Result<BTreeMap<String, Stored>, StoreError> {
        self.with(|database| read(database, plugin))
    }
}

fn of_database(path: &Path, error: &redb::Error) -> StoreError {
    let path = path.to_path_buf();
    let text = error.to_string();
    // redb reports a file that is no database as invalid data, not as corruption.
    let invalid = matches!(error, redb::Error::Io(error)
        if matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof));
    let damaged = invalid
        || matches!(
            error,
            redb::Error::Corrupted(_)
                | redb::Error::UpgradeRequired(_)
                | redb::Error::TableTypeMismatch { .. }
                | redb::Error::TableIsMultimap(_)
        );
    if damaged { StoreError::Damaged { path, error: text } } else { StoreError::Io { path, error: text } }
}

fn read(database: &Database, plugin: &str) -> Result<BTreeMap<String, Stored>, redb::Error> {
    let transaction = database.begin_read()?;
    let table = match transaction.open_table(TABLE) {
        Ok(table) => table,
        Err(TableError::TableDoesNotExist(_)) => return Ok(BTreeMap::new()),
        Err(error) => return Err(error.into()),
    };
    let mut values = BTreeMap::new();
    for entry in table.range((plugin, "")..)? {
        let (key, value) = entry?;
        let (owner, key) = key.value();
        if owner != plugin {
            break;
        }
        values.insert(key.to_owned(), Stored { value: value.value().to_owned(), end: None });
    }
    let ends = match transaction.open_table(ENDS) {
        Ok(ends) => ends,
        Err(TableError::TableDoesNotExist(_)) => return Ok(values),
        Err(error) => return Err(error.into()),
    };
    for entry in ends.range((plugin, "")..)? {
        let (key, end) = entry?;
        let (owner, key) = key.value();
        if owner != plugin {
            break;
        }
        if let Some(stored) = values.get_mut(key) {
            stored.end = Some(Timestamp(end.value()));
        }
    }
    Ok(values)
}

/// Removes the keys that have ended, and writes every changed key in one transaction.
fn flush(disk: &Mutex<Disk>, memories: &Memories, now: Timestamp) -> Result<(), StoreError> {
    // Lock the disk first: a caller that then finds no changes knows that they are written.
    let mut disk = lock(disk);
    let memories: Vec<_> = lock(memories).iter().map(|(name, memory)| (name.clone(), Arc::clone(memory))).collect();
    let mut changes: Vec<(&str, &Arc<Mutex<Memory>>, NewValues)> = Vec::new();
    for (name, memory) in &memories {
        // Hold the lock only for the copy: a plugin does not wait for the disk.
        let mut held = lock(memory);
        held.expire(now);
        let dirty = std::mem::take(&mut held.dirty);
        let copied: NewValues = dirty
            .into_iter()
            .map(|key| {
                let value = held.values.get(&key).cloned();
                (key, value)
            })
            .collect();
        drop(held);
        if !copied.is_empty() {
            changes.push((name, memory, copied));
        }
    }
    if changes.is_empty() {
        return Ok(());
    }
    let written = disk.with(|database| write(database, &changes));
    if written.is_err() {
        for (_, memory, changes) in changes {
            lock(memory).dirty.extend(changes.into_iter().map(|(key, _)| key));
        }
    }
    written
}

/// Keys with their new value. `None` means removed.
type NewValues = Vec<(String, Option<Stored>)>;

fn write(database: &Database, changes: &[(&str, &Arc<Mutex<Memory>>, NewValues)]) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        let (mut table, mut ends) = (transaction.open_table(TABLE)?, transaction.open_table(ENDS)?);
        for (name, _, changes) in changes {
            for (key, stored) in changes {
                let place = (*name, key.as_str());
                match stored {
                    Some(stored) => drop(table.insert(place, stored.value.as_slice())?),
                    None => drop(table.remove(place)?),
                }
                match stored.as_ref().and_then(|stored| stored.end) {
                    Some(end) => drop(ends.insert(place, end.0)?),
                    None => drop(ends.remove(place)?),
                }
            }
        }
    }
    transaction.commit()?;
    Ok(())
}

struct Flusher<R> {
    disk: Arc<Mutex<Disk>>,
    memories: Memories,
    failing: bool,
    report: R,
}

impl<R: Fn(String)> Flusher<R> {
    fn run(&mut self, stopped: &Receiver<()>) {
        loop {
            let stop = match stopped.recv_timeout(FLUSH_EVERY) {
                Err(RecvTimeoutError::Timeout) => false,
                Ok(()) | Err(RecvTimeoutError::Disconnected) => true,
            };
            self.flush();
            if stop {
                return;
            }
        }
    }

    fn flush(&mut self) {
        match flush(&self.disk, &self.memories, clock::now().wall) {
            Ok(()) if self.failing => {
                self.failing = false;
                (self.report)("plugins' memories can be written again; nothing is lost".to_owned());
            }
            Ok(()) => {}
            Err(error) if !self.failing => {
                self.failing = true;
                (self.report)(format!("cannot write plugins' memories, the daemon keeps them until it can: {error}"));
            }
            Err(_) => {}
        }
    }
}
