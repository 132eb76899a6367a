//! Address sets from files: read whole, and watched for changes.
//!
//! Other programs write lists of bans or countries while the daemon runs. A new version is used as soon as the file
//! rests, and only if every line is valid. Otherwise the version in use stays, and the mistake is reported.

mod error;
mod stamp;
mod watch;

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use ctwarden_feeds::{List, Reading};
pub(crate) use ctwarden_feeds::{Shortest, parse_line};
use ctwarden_model::{PrefixMap, SetName};

pub(crate) use self::error::SetFileError;
use self::stamp::{Rest, Stamp};
pub(crate) use self::watch::SetWatch;
use crate::trusted_path;

/// Largest file, enough for about 8 million networks. A file of a hundred million addresses is not supported.
const BYTES_MAX: u64 = 256 << 20;
/// A version is checked again after this time before it is read, because a program may write it in steps.
const SETTLED: Duration = Duration::from_millis(50);
/// How long a last line without a line end counts as unfinished: `10.0.0.0/2` is valid, and a `4` may still follow.
const LAST_LINE: Duration = Duration::from_secs(3);
/// How long a start or a reload waits for a file to rest. After that, the file is used as soon as it rests.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often a file that is waited for is checked.
const GLANCE: Duration = Duration::from_millis(25);
/// Permission bit that lets everybody read.
const OTHER_READ: u32 = 0o004;

/// Networks with their values, shared by all plugins that may read the set.
pub(crate) type Networks = Arc<PrefixMap<String>>;

/// A new version of a set.
#[derive(Debug)]
pub(crate) struct Fresh {
    pub(crate) networks: Networks,
    /// A remark for people about something that is not a mistake.
    pub(crate) note: Option<String>,
}

/// The result of a check of one set: a new version, or why the version in use stays.
pub(crate) type SetChange = (SetName, Result<Fresh, SetFileError>);

#[derive(Debug)]
struct Watched {
    path: PathBuf,
    shortest: Shortest,
    rest: Rest,
    /// Stamp of the version that was tried last, good or not: a broken version is reported once.
    stamp: Option<Stamp>,
    /// The reported mistake of that version, if it is not in use.
    refused: Option<Refused>,
    /// Networks of the version in use; `None` before the first good version.
    networks: Option<Networks>,
    /// The previous version, until the next check. Dropping a large set is slow; the set is kept here so that the
    /// watcher thread, not the loop, frees it.
    before: Option<Networks>,
}

/// Why the current version is not in use.
#[derive(Debug, PartialEq, Eq)]
struct Refused {
    told: String,
    /// Whether access to the file failed. Access can be repaired without a change of the file.
    of_access: bool,
}

impl Refused {
    fn by(error: &SetFileError) -> Self {
        Self { told: error.to_string(), of_access: matches!(error, SetFileError::Access(_)) }
    }
}

/// Files that are watched. A check costs one `stat` a file, cheap enough for ten checks a second. Unlike inotify, it
/// sees renames, mounts and network file systems without a special case.
#[derive(Debug, Default)]
pub(crate) struct SetFiles {
    files: BTreeMap<SetName, Watched>,
}

impl SetFiles {
    #[must_use]
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Reads a file once it rests, and watches it from now on.
    ///
    /// # Errors
    /// [`SetFileError`] if the file is not good. The file is watched all the same, and used once it is good.
    pub(crate) fn add(&mut self, name: SetName, path: &Path, shortest: Shortest) -> Result<Fresh, SetFileError> {
        let mut watched = Watched {
            path: path.to_path_buf(),
            shortest,
            rest: Rest::default(),
            stamp: None,
            refused: None,
            networks: None,
            before: None,
        };
        let read = watched.first();
        self.files.insert(name, watched);
        read
    }

    /// Keeps an earlier version in use if the file has no good one.
    pub(crate) fn go_on_with(&mut self, name: &SetName, networks: Networks) {
        if let Some(watched) = self.files.get_mut(name) {
            watched.networks.get_or_insert(networks);
        }
    }

    /// Whether no file is watched.
    pub(crate) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Whether a file has changed and does not rest yet.
    fn is_awaited(&self) -> bool {
        self.files.values().any(|watched| watched.rest.is_awaited() && watched.refused.is_none())
    }

    /// The sets whose file has changed since the last check, and rests. A file that was rewritten with the same
    /// networks counts as unchanged, unless it was refused before.
    pub(crate) fn changed(&mut self, now: Instant) -> Vec<SetChange> {
        self.files.iter_mut().filter_map(|(name, watched)| Some((name.clone(), watched.look(now)?))).collect()
    }
}

impl Watched {
    /// Reads the first version. A file that has not changed for some time is read at once.
    fn first(&mut self) -> Result<Fresh, SetFileError> {
        let begin = Instant::now();
        while begin.elapsed() < PATIENCE {
            let seen = Stamp::of_path(&self.path);
            let rested = self.rest.note(seen, Instant::now()).max(seen.age(SystemTime::now()));
            if let Some(outcome) = self.try_reading(seen, rested) {
                return outcome;
            }
            thread::sleep(GLANCE);
        }
        Err(SetFileError::Unsettled(self.path.clone()))
    }

    fn look(&mut self, now: Instant) -> Option<Result<Fresh, SetFileError>> {
        self.before = None;
        let seen = Stamp::of_path(&self.path);
        let inaccessible = self.refused.as_ref().is_some_and(|refused| refused.of_access);
        if self.stamp == Some(seen) && !inaccessible {
            self.rest.forget();
            return None;
        }
        let rested = self.rest.note(seen, now);
        let (networks, refused) = (self.networks.clone(), self.refused.take());
        let Some(outcome) = self.try_reading(seen, rested) else {
            self.refused = refused;
            return None;
        };
        match outcome {
            Ok(Fresh { networks: same, note }) if networks.as_ref() == Some(&same) => {
                self.networks.clone_from(&networks);
                refused.and(networks).map(|networks| Ok(Fresh { networks, note }))
            }
            Ok(fresh) => {
                self.before = networks;
                Some(Ok(fresh))
            }
            Err(_) if inaccessible && self.refused == refused => None,
            Err(error) => Some(Err(error)),
        }
    }

    /// Reads the version with stamp `seen`, if it is whole; `None` if the file has to be checked again.
    fn try_reading(&mut self, seen: Stamp, rested: Duration) -> Option<Result<Fresh, SetFileError>> {
        if rested < SETTLED {
            return None;
        }
        let outcome = read_whole(&self.path, seen, rested, self.shortest).transpose()?;
        self.stamp = Some(seen);
        self.rest.forget();
        self.refused = outcome.as_ref().err().map(Refused::by);
        Some(outcome.map(|List { networks, note }| {
            let networks = Arc::new(networks);
            self.networks = Some(Arc::clone(&networks));
            Fresh { networks, note }
        }))
    }
}

/// Reads the list of a file. `None` if the file is not the one with stamp `seen`, changes while it is read, or may end
/// in an unfinished line.
fn read_whole(path: &Path, seen: Stamp, rested: Duration, shortest: Shortest) -> Result<Option<List>, SetFileError> {
    let file = trusted_path::open(path)?;
    let again = file.try_clone();
    if Stamp::of_open(&file) != seen || rested < LAST_LINE && !ends_in_a_line(&file) {
        return Ok(None);
    }
    let metadata = file.metadata();
    let disclosed = metadata.is_ok_and(|metadata| metadata.mode() & OTHER_READ != 0);
    let bytes = trusted_path::read_from(file, path, BYTES_MAX)?;
    if again.is_ok_and(|file| Stamp::of_open(&file) != seen) || Stamp::of_path(path) != seen {
        return Ok(None);
    }
    let list = ctwarden_feeds::parse(&path.display().to_string(), &bytes, Reading { shortest, disclosed })?;
    Ok(Some(list))
}

/// Whether the last byte ends a line. An empty file does not count: a program may have truncated it to write it anew.
fn ends_in_a_line(file: &File) -> bool {
    let mut last = [0];
    let length = file.metadata().map_or(0, |metadata| metadata.len());
    length.checked_sub(1).is_some_and(|at| file.read_exact_at(&mut last, at).is_ok()) && last == *b"\n"
}

#[cfg(test)]
mod tests;
