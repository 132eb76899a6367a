//! Address sets from files: read whole, looked after for changes.
//!
//! Lists of bans or countries are written by other programs while the daemon runs. A new version is taken as soon as it
//! rests, and only if every line of it is good; else the version in use goes on and the mistake is told.

mod error;
mod excerpt;
mod form;
mod line;
mod list;
mod range;
mod stamp;
mod watch;

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use ctwarden_model::{PrefixMap, SetName};

pub(crate) use self::error::SetFileError;
pub(crate) use self::line::{Shortest, parse as parse_line};
use self::list::{List, Reading};
use self::stamp::{Rest, Stamp};
pub(crate) use self::watch::SetWatch;
use crate::trusted_path;

/// A file of a hundred million addresses is not meant: about 8 million networks fit.
const BYTES_MAX: u64 = 256 << 20;
/// A version is looked at again before it is read, so that it is not read while a program writes it in steps.
const SETTLED: Duration = Duration::from_millis(50);
/// A last line without its end may be half a line for so long: `10.0.0.0/2` is no error, and `4` may come yet.
const LAST_LINE: Duration = Duration::from_secs(3);
/// How long a start or a reload waits for a file to rest; after that, the file is taken as soon as it does.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often a file is looked at that is waited for.
const GLANCE: Duration = Duration::from_millis(25);
/// Permission bit that lets everybody read.
const OTHER_READ: u32 = 0o004;

/// Networks with their values, shared by all plugins that may look into the set.
pub(crate) type Networks = Arc<PrefixMap<String>>;

/// A new version of a set.
#[derive(Debug)]
pub(crate) struct Fresh {
    pub(crate) networks: Networks,
    /// What is worth a line to people although it is no mistake.
    pub(crate) note: Option<String>,
}

/// What a look at one set found: a new version, or why the one in use goes on.
pub(crate) type SetChange = (SetName, Result<Fresh, SetFileError>);

#[derive(Debug)]
struct Watched {
    path: PathBuf,
    shortest: Shortest,
    rest: Rest,
    /// Of the version that was tried last, good or not: a broken one is told once.
    stamp: Option<Stamp>,
    /// What was told of that version, if it is not in use.
    refused: Option<Refused>,
    /// Of the version that is in use; none before the first good one.
    networks: Option<Networks>,
    /// The version before, until the next look: whoever lets go of it last takes the time to give it back, and that should be
    /// who looks, not who decides.
    before: Option<Networks>,
}

/// Why the version that is there is not in use.
#[derive(Debug, PartialEq, Eq)]
struct Refused {
    told: String,
    /// Whether the way to the file is at fault, which may be mended without a change of the file.
    of_access: bool,
}

impl Refused {
    fn by(error: &SetFileError) -> Self {
        Self { told: error.to_string(), of_access: matches!(error, SetFileError::Access(_)) }
    }
}

/// Files that are looked after. One `stat` a file and look: cheap enough for ten a second, and unlike inotify it sees
/// renames, mounts and network file systems without a special case.
#[derive(Debug, Default)]
pub(crate) struct SetFiles {
    files: BTreeMap<SetName, Watched>,
}

impl SetFiles {
    #[must_use]
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Reads a file, once it rests, and looks after it from now on.
    ///
    /// # Errors
    /// [`SetFileError`] where the file is not good. It is looked after all the same, and taken once it is.
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

    /// Goes on with a version of before where the file has no good one.
    pub(crate) fn go_on_with(&mut self, name: &SetName, networks: Networks) {
        if let Some(watched) = self.files.get_mut(name) {
            watched.networks.get_or_insert(networks);
        }
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Whether a file has changed and is waited for to rest.
    fn is_awaited(&self) -> bool {
        self.files.values().any(|watched| watched.rest.is_awaited() && watched.refused.is_none())
    }

    /// The sets whose file has changed since the last look, and rests. A file that was rewritten with the same networks is no
    /// change, unless it was refused before.
    pub(crate) fn changed(&mut self, now: Instant) -> Vec<SetChange> {
        self.files.iter_mut().filter_map(|(name, watched)| Some((name.clone(), watched.look(now)?))).collect()
    }
}

impl Watched {
    /// The first version: one that nobody has changed for some time is read at once.
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

    /// Reads the version that was seen, if it is whole; none where it has to be looked at again.
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

/// The list in a file; none where the file is another than was seen, changes while it is read, or may end in half a line.
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
    list::parse(path, &bytes, Reading { shortest, disclosed }).map(Some)
}

/// Whether the last byte ends a line. A file without a byte may have been emptied to be written anew.
fn ends_in_a_line(file: &File) -> bool {
    let mut last = [0];
    let length = file.metadata().map_or(0, |metadata| metadata.len());
    length.checked_sub(1).is_some_and(|at| file.read_exact_at(&mut last, at).is_ok()) && last == *b"\n"
}

#[cfg(test)]
mod tests;
