//! Address sets from files: read whole, and watched for changes.
//!
//! Other programs write lists of bans or countries while the daemon runs. A new version is used as soon as the file
//! rests, and only if every line is valid. Otherwise the version in use stays, and the mistake is reported.

mod error;
mod rules;
mod sealed_copy;
mod stamp;
mod version;
mod watch;

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use ctwarden_feeds::{Format, List, METADATA_BYTES_MAX, has_metadata, has_whole_metadata};
pub(crate) use ctwarden_feeds::{Shortest, parse_line};
use ctwarden_model::{Prefix, PrefixMap, SetName};

pub(crate) use self::error::SetFileError;
use self::error::loss;
pub(crate) use self::rules::Rules;
use self::stamp::{Rest, Stamp};
pub(crate) use self::version::{Results, Vanished, Version};
pub(crate) use self::watch::SetWatch;
use crate::trusted_path;

/// Largest file, enough for about 8 million networks. A file of a hundred million addresses is not supported.
const BYTES_MAX: u64 = 256 << 20;
/// Largest database. The largest that are published have half of it.
const DATABASE_BYTES_MAX: u64 = 1 << 30;
/// A version is checked again after this time before it is read, because a program may write it in steps.
const SETTLED: Duration = Duration::from_millis(50);
/// How long a last line without a line end counts as unfinished: `10.0.0.0/2` is valid, and a `4` may still follow. A
/// database without its end counts as unfinished for as long.
const LAST_LINE: Duration = Duration::from_secs(3);
/// How long a start or a reload waits for a file to rest. After that, the file is used as soon as it rests.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often a file that is waited for is checked.
const GLANCE: Duration = Duration::from_millis(25);
/// Networks that end leave the set at most once in this time for each started 100,000 networks, because all networks are
/// copied. A network may outlive its end by that.
const ENDS: Duration = Duration::from_secs(1);
/// Permission bit that lets everybody read.
const OTHER_READ: u32 = 0o004;

/// Networks with their values, shared by all plugins that may read the set.
pub(crate) type Networks = Arc<PrefixMap<Arc<str>>>;

/// A new version of a set.
#[derive(Debug)]
pub(crate) struct Fresh {
    pub(crate) version: Arc<Version>,
    /// Whether the version was read from the file. Otherwise, networks of the version in use have ended, and a list that
    /// was refused is still refused.
    pub(crate) is_read: bool,
    /// Networks that the version before lacks or has with another value, if they are few.
    pub(crate) added: Option<Vec<Prefix>>,
    /// A remark for people about something that is not a mistake.
    pub(crate) note: Option<String>,
}

/// The result of a check of one set: a new version, or why the version in use stays.
pub(crate) type SetChange = (SetName, Result<Fresh, SetFileError>);

#[derive(Debug)]
struct Watched {
    path: PathBuf,
    rules: Rules,
    rest: Rest,
    /// Stamp of the version that was tried last, good or not: a broken version is reported once.
    stamp: Option<Stamp>,
    /// The reported mistake of that version, if it is not in use.
    refused: Option<Refused>,
    /// The version in use; `None` before the first good one.
    version: Option<Arc<Version>>,
    /// The previous version, until the next check. Dropping a large set is slow; the set is kept here so that the
    /// watcher thread, not the loop, frees it.
    before: Option<Arc<Version>>,
    /// When networks that had ended left the set.
    dropped: Option<Instant>,
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
    pub(crate) fn add(&mut self, name: SetName, path: &Path, rules: Rules) -> Result<Fresh, SetFileError> {
        let mut watched = Watched::new(path, rules);
        let read = watched.first();
        self.files.insert(name, watched);
        read
    }

    /// Continues with an earlier version of the set. If the file has no good version, the earlier one stays in use. If it
    /// has one, the rules about what vanishes from a list apply to the two.
    ///
    /// Returns the version in use.
    ///
    /// # Errors
    /// [`SetFileError`] if the new list is refused. The earlier version stays in use then.
    pub(crate) fn go_on_with(&mut self, name: &SetName, before: Arc<Version>) -> Result<Arc<Version>, SetFileError> {
        match self.files.get_mut(name) {
            Some(watched) => watched.go_on_with(before, Instant::now()),
            None => Ok(before),
        }
    }

    /// Lets networks that vanished from the list before this process began stay until their time is over. Returns the version
    /// in use, if the file has a good list.
    pub(crate) fn go_on_with_vanished(&mut self, name: &SetName, rows: Vec<Vanished>) -> Option<Arc<Version>> {
        let watched = self.files.get_mut(name)?;
        let before = Version::of_vanished(rows, watched.version.as_ref()?);
        watched.go_on_with(Arc::new(before), Instant::now()).ok()
    }

    /// Whether no file is watched.
    pub(crate) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Whether a file has changed and does not rest yet.
    fn is_awaited(&self) -> bool {
        self.files.values().any(|watched| watched.rest.is_awaited() && watched.refused.is_none())
    }

    /// The sets whose file has changed since the last check and rests, and the sets with networks that have ended.
    pub(crate) fn changed(&mut self, now: Instant) -> Vec<SetChange> {
        self.files.iter_mut().filter_map(|(name, watched)| Some((name.clone(), watched.look(now)?))).collect()
    }
}

impl Watched {
    fn new(path: &Path, rules: Rules) -> Self {
        Self {
            path: path.to_path_buf(),
            rules,
            rest: Rest::default(),
            stamp: None,
            refused: None,
            version: None,
            before: None,
            dropped: None,
        }
    }

    /// Reads the first version. A file that has not changed for some time is read at once.
    fn first(&mut self) -> Result<Fresh, SetFileError> {
        let begin = Instant::now();
        while begin.elapsed() < PATIENCE {
            let (seen, now) = (Stamp::of_path(&self.path), Instant::now());
            let rested = self.rest.note(seen, now).max(seen.age(SystemTime::now()));
            if let Some(outcome) = self.try_reading(seen, rested, now) {
                return outcome;
            }
            thread::sleep(GLANCE);
        }
        Err(SetFileError::Unsettled(self.path.clone()))
    }

    fn look(&mut self, now: Instant) -> Option<Result<Fresh, SetFileError>> {
        self.before = None;
        self.read_if_changed(now).or_else(|| self.drop_ended(now).map(Ok))
    }

    fn read_if_changed(&mut self, now: Instant) -> Option<Result<Fresh, SetFileError>> {
        let seen = Stamp::of_path(&self.path);
        let inaccessible = self.refused.as_ref().is_some_and(|refused| refused.of_access);
        if self.stamp == Some(seen) && !inaccessible {
            self.rest.forget();
            return None;
        }
        let rested = self.rest.note(seen, now);
        let refused = self.refused.take();
        let Some(outcome) = self.try_reading(seen, rested, now) else {
            self.refused = refused;
            return None;
        };
        match outcome {
            Err(_) if inaccessible && self.refused == refused => None,
            outcome => Some(outcome),
        }
    }

    /// Reads the version with stamp `seen`, if it is whole; `None` if the file has to be checked again.
    fn try_reading(&mut self, seen: Stamp, rested: Duration, now: Instant) -> Option<Result<Fresh, SetFileError>> {
        if rested < SETTLED {
            return None;
        }
        let read = read_whole(&self.path, seen, rested, &self.rules).transpose()?;
        self.stamp = Some(seen);
        self.rest.forget();
        let outcome = read.and_then(|list| self.take(list, now));
        self.refused = outcome.as_ref().err().map(Refused::by);
        Some(outcome)
    }

    fn take(&mut self, list: List, now: Instant) -> Result<Fresh, SetFileError> {
        if list.format() == Format::Mmdb && self.rules.lifetime.is_some() {
            return Err(SetFileError::Lifetime(self.path.clone()));
        }
        let note = list.note().map(|note| format!("{}:{note}", self.path.display()));
        let version = Version::of(list, &self.path, now);
        let version = match &self.version {
            Some(before) => self.follow(before, version, now)?,
            None => version,
        };
        let added = self.version.as_ref().and_then(|before| version.added_to(before));
        Ok(Fresh { version: self.replace(version), is_read: true, added, note })
    }

    /// The version that follows another one, by the rules about what vanishes from a list.
    fn follow(&self, before: &Version, version: Version, now: Instant) -> Result<Version, SetFileError> {
        self.check_loss(before, &version)?;
        let version = match self.rules.lifetime {
            Some(lifetime) => version.keep_vanished(before, lifetime, now),
            None => version,
        };
        Ok(version.share_networks(before))
    }

    fn check_loss(&self, before: &Version, version: &Version) -> Result<(), SetFileError> {
        let (had, has) = (before.listed(), version.listed());
        match self.rules.largest_loss {
            Some(largest) if loss(had, has) > usize::from(largest) => {
                let (path, counts) = (self.path.clone(), version.results().counts);
                Err(SetFileError::Loss { path, before: had, now: has, largest, counts })
            }
            Some(_) | None => Ok(()),
        }
    }

    fn replace(&mut self, version: Version) -> Arc<Version> {
        let version = Arc::new(version);
        self.before = self.version.replace(Arc::clone(&version));
        version
    }

    /// Runs in the loop, so it compares networks only if the set has a lifetime.
    fn go_on_with(&mut self, before: Arc<Version>, now: Instant) -> Result<Arc<Version>, SetFileError> {
        let Some(read) = self.version.take() else {
            self.version = Some(Arc::clone(&before));
            return Ok(before);
        };
        if let Err(error) = self.check_loss(&before, &read) {
            self.refused = Some(Refused::by(&error));
            self.version = Some(before);
            return Err(error);
        }
        Ok(match self.rules.lifetime {
            Some(lifetime) => self.replace(Version::clone(&read).keep_vanished(&before, lifetime, now)),
            None => Arc::clone(self.version.insert(read)),
        })
    }

    /// The version without the networks that have ended, if any have.
    fn drop_ended(&mut self, now: Instant) -> Option<Fresh> {
        let version = self.version.as_ref().filter(|version| version.first_end().is_some_and(|end| end <= now))?;
        let hundred_thousands = u32::try_from(version.networks().len() / 100_000).unwrap_or(u32::MAX);
        let pause = ENDS.saturating_mul(hundred_thousands.saturating_add(1));
        if self.dropped.is_some_and(|dropped| now.saturating_duration_since(dropped) < pause) {
            return None;
        }
        self.dropped = Some(now);
        let later = version.without_ended(now);
        Some(Fresh { version: self.replace(later), is_read: false, added: Some(Vec::new()), note: None })
    }
}

/// Reads the list of a file. `None` if the file is not the one with stamp `seen`, changes while it is read, or may end
/// in an unfinished line.
fn read_whole(path: &Path, seen: Stamp, rested: Duration, rules: &Rules) -> Result<Option<List>, SetFileError> {
    let file = trusted_path::open(path)?;
    let again = file.try_clone();
    let end = end(&file);
    let is_database = rules.reading.is_of_databases() || has_metadata(&end);
    let is_whole = if is_database { has_whole_metadata(&end) } else { end.ends_with(b"\n") };
    if Stamp::of_open(&file) != seen || rested < LAST_LINE && !is_whole {
        return Ok(None);
    }
    let metadata = file.metadata();
    let disclosed = metadata.is_ok_and(|metadata| metadata.mode() & OTHER_READ != 0);
    let reading = rules.reading.clone().secret(!disclosed);
    let changed = || again.is_ok_and(|file| Stamp::of_open(&file) != seen) || Stamp::of_path(path) != seen;
    let list = if is_database {
        let bytes = sealed_copy::map(file, path, DATABASE_BYTES_MAX)?;
        if changed() {
            return Ok(None);
        }
        ctwarden_feeds::parse(&bytes, &reading)
    } else {
        let bytes = trusted_path::read_from(file, path, BYTES_MAX)?;
        if changed() {
            return Ok(None);
        }
        ctwarden_feeds::parse(&bytes, &reading)
    };
    list.map(Some).map_err(|error| SetFileError::List { path: path.to_path_buf(), error })
}

/// The end of a file, which says whether the file is a database, and whether it may be whole. An empty file is not: a
/// program may have truncated it to write it anew.
fn end(file: &File) -> Vec<u8> {
    let length = file.metadata().map_or(0, |metadata| metadata.len());
    let most = u64::try_from(METADATA_BYTES_MAX).unwrap_or(u64::MAX);
    let mut end = vec![0; usize::try_from(length.min(most)).unwrap_or_default()];
    match file.read_exact_at(&mut end, length.saturating_sub(most)) {
        Ok(()) => end,
        Err(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
