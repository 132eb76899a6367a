//! Address sets from files: read whole, looked after for changes.
//!
//! Lists of bans or countries are written by other programs while the daemon runs. A new version is taken as soon as it is
//! seen and only if every line of it is good; else the version in use goes on and the mistake is told.

mod watch;

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ctwarden_model::{Prefix, PrefixError, PrefixMap, SetName};
use thiserror::Error;

pub(crate) use self::watch::SetWatch;
use crate::trusted_path::{self, AccessError};

/// A file of a hundred million addresses is not meant: about 8 million networks fit.
const BYTES_MAX: u64 = 256 << 20;
/// More mistakes than a person reads.
const MISTAKES_SHOWN: usize = 20;

/// Why a set was not taken.
#[derive(Debug, Error)]
pub(crate) enum SetFileError {
    /// The file cannot be read or others could change it.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// It is no text.
    #[error("{path}:{line}: not UTF-8; write one address or network a line")]
    NotText {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// Lines of it are wrong.
    #[error("{}", .0.join("\n"))]
    Lines(Vec<String>),
}

/// One line of a set: a network and its value, which may be empty. None for an empty line or a comment.
///
/// # Errors
/// [`PrefixError`] where the first word is no network.
pub(crate) fn parse_line(line: &str) -> Result<Option<(Prefix, String)>, PrefixError> {
    // A comment begins a line or follows white space, so that a value may hold a #.
    let comment = line.match_indices('#').find(|(at, _)| line.get(..*at).is_some_and(ends_in_space));
    let line = comment.and_then(|(at, _)| line.get(..at)).unwrap_or(line).trim();
    if line.is_empty() {
        return Ok(None);
    }
    let (network, value) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    Ok(Some((network.parse()?, value.trim().to_owned())))
}

fn ends_in_space(text: &str) -> bool {
    text.chars().next_back().is_none_or(char::is_whitespace)
}

/// Networks with their values, shared by all plugins that may look into the set.
pub(crate) type Networks = Arc<PrefixMap<String>>;

/// All networks of a file, and which version of it they are.
fn load(path: &Path) -> Result<(Networks, Stamp), SetFileError> {
    let file = trusted_path::open(path)?;
    // The stamp of before the reading: what is written meanwhile is seen as a change later.
    let stamp = Stamp::of_open(&file);
    let bytes = trusted_path::read_from(file, path, BYTES_MAX)?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let line = error.as_bytes().iter().take(good).filter(|b| **b == b'\n').count() + 1;
        SetFileError::NotText { path: path.to_path_buf(), line }
    })?;
    parse(path, &text).map(|networks| (Arc::new(networks), stamp))
}

fn parse(path: &Path, text: &str) -> Result<PrefixMap<String>, SetFileError> {
    let mut networks = PrefixMap::new();
    let mut mistakes = Vec::new();
    for (index, line) in text.lines().enumerate() {
        match parse_line(line) {
            Ok(Some((network, value))) => drop(networks.insert(network, value)),
            Ok(None) => {}
            Err(error) => mistakes.push(format!("{}:{}: {error}", path.display(), index + 1)),
        }
    }
    if mistakes.is_empty() {
        return Ok(networks);
    }
    let more = mistakes.len().saturating_sub(MISTAKES_SHOWN);
    mistakes.truncate(MISTAKES_SHOWN);
    if more > 0 {
        mistakes.push(format!("{}: {more} more lines are wrong", path.display()));
    }
    Err(SetFileError::Lines(mistakes))
}

/// What tells one version of a file from another: a rename changes device or inode, a rewrite the time or the length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stamp {
    Present { device: u64, inode: u64, length: u64, modified: (i64, i64), changed: (i64, i64) },
    Absent,
}

impl Stamp {
    fn of_open(file: &File) -> Self {
        file.metadata().map_or(Self::Absent, |metadata| Self::of(&metadata))
    }

    fn of_path(path: &Path) -> Self {
        path.metadata().map_or(Self::Absent, |metadata| Self::of(&metadata))
    }

    fn of(metadata: &Metadata) -> Self {
        Self::Present {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

#[derive(Debug)]
struct Watched {
    path: PathBuf,
    /// Of the version that was tried last, good or not: a broken one is told once.
    stamp: Stamp,
    /// Of the version that is in use.
    networks: Networks,
    /// The version before, until the next look: whoever lets go of it last takes the time to give it back, and that should be
    /// who looks, not who decides.
    before: Option<Networks>,
}

/// Files that are looked after. One `stat` a file and look: cheap enough for four a second, and unlike inotify it sees
/// renames, mounts and network file systems without a special case.
#[derive(Debug, Default)]
pub(crate) struct SetFiles {
    files: BTreeMap<SetName, Watched>,
}

/// What a look at one set found.
pub(crate) type SetChange = (SetName, Result<Networks, SetFileError>);

impl SetFiles {
    /// No files.
    #[must_use]
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Reads a file and looks after it from now on.
    ///
    /// # Errors
    /// [`SetFileError`] where the file is not good; it is then not looked after.
    pub(crate) fn add(&mut self, name: SetName, path: &Path) -> Result<Networks, SetFileError> {
        let (networks, stamp) = load(path)?;
        let watched = Watched { path: path.to_path_buf(), stamp, networks: Arc::clone(&networks), before: None };
        self.files.insert(name, watched);
        Ok(networks)
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// The sets whose file has changed since the last look: the new networks, or why the old ones go on. A file that was
    /// rewritten with the same networks is no change.
    pub(crate) fn changed(&mut self) -> Vec<SetChange> {
        self.files.iter_mut().filter_map(|(name, watched)| Some((name.clone(), watched.look()?))).collect()
    }
}

impl Watched {
    fn look(&mut self) -> Option<Result<Networks, SetFileError>> {
        self.before = None;
        let seen = Stamp::of_path(&self.path);
        if seen == self.stamp {
            return None;
        }
        match load(&self.path) {
            Ok((networks, stamp)) => {
                self.stamp = stamp;
                if networks == self.networks {
                    return None;
                }
                self.before = Some(std::mem::replace(&mut self.networks, Arc::clone(&networks)));
                Some(Ok(networks))
            }
            Err(error) => {
                self.stamp = seen;
                Some(Err(error))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::net::IpAddr;

    use proptest::prelude::*;

    use super::*;

    fn value_of(networks: &PrefixMap<String>, address: &str) -> Option<String> {
        networks.longest(address.parse::<IpAddr>().unwrap()).map(|(_, value)| value.clone())
    }

    #[test]
    fn a_line_is_a_network_a_value_and_a_comment() {
        let networks = parse(
            Path::new("banned.txt"),
            "# bans\n\n192.0.2.0/24\n  198.51.100.7 \tscanner of ports # seen twice\n2001:db8::/32 AS64500#a\r\n",
        )
        .unwrap();
        assert_eq!(networks.len(), 3);
        assert_eq!(value_of(&networks, "192.0.2.9").as_deref(), Some(""));
        assert_eq!(value_of(&networks, "198.51.100.7").as_deref(), Some("scanner of ports"));
        assert_eq!(value_of(&networks, "2001:db8::1").as_deref(), Some("AS64500#a"));
    }

    #[test]
    fn every_wrong_line_is_named_with_file_number_and_an_example() {
        let said =
            parse(Path::new("/etc/banned.txt"), "192.0.2.1\nexample.com\n10.0.0.0/40 x\n").unwrap_err().to_string();
        assert_eq!(
            said,
            "/etc/banned.txt:2: \"example.com\" is not an address or network; write for example 192.0.2.0/24 or \
             2001:db8::1\n/etc/banned.txt:3: prefix length 40 is longer than the 32 bits of 10.0.0.0"
        );
        let many = "x\n".repeat(30);
        let said = parse(Path::new("b"), &many).unwrap_err().to_string();
        assert_eq!((said.lines().count(), said.lines().last()), (21, Some("b: 10 more lines are wrong")));
    }

    #[test]
    fn a_change_is_seen_once_and_a_broken_version_is_told_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("banned.txt");
        fs::write(&path, "192.0.2.1\n").unwrap();
        let name = SetName("banned".into());
        let mut files = SetFiles::new();
        assert_eq!(files.add(name.clone(), &path).unwrap().len(), 1);
        assert!(files.changed().is_empty());

        let replace = |text: &[u8]| {
            let new = dir.path().join("new");
            fs::write(&new, text).unwrap();
            fs::rename(&new, &path).unwrap();
        };
        replace(b"192.0.2.1\n192.0.2.2\n");
        let mut seen = files.changed();
        assert_eq!(seen.len(), 1);
        let (changed, networks) = seen.remove(0);
        assert_eq!((changed, networks.unwrap().len()), (name, 2));
        assert!(files.changed().is_empty());

        replace(b"# the same\n192.0.2.2\n192.0.2.1\n");
        assert!(files.changed().is_empty(), "same networks, no change");

        replace(b"192.0.2.1\nwrong\n");
        let seen = files.changed();
        let said = seen[0].1.as_ref().unwrap_err().to_string();
        assert!(said.starts_with(&format!("{}:2: \"wrong\" is not an address", path.display())), "{said}");
        assert!(files.changed().is_empty(), "told once");

        fs::remove_file(&path).unwrap();
        let said = files.changed()[0].1.as_ref().unwrap_err().to_string();
        assert_eq!(said, format!("there is no {}; create it or correct the path", path.display()));
        assert!(files.changed().is_empty());

        replace(b"192.0.2.1\n192.0.2.2\n");
        assert!(files.changed().is_empty(), "back to what is in use");
        fs::write(&path, b"192.0.2.3\n").unwrap();
        assert_eq!(files.changed().len(), 1, "rewritten in place");
        replace(b"\xff\n");
        let said = files.changed()[0].1.as_ref().unwrap_err().to_string();
        assert!(said.contains("banned.txt:1: not UTF-8; write one address"), "{said}");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC*") {
            let _ = parse(Path::new("s"), &text);
        }

        #[test]
        fn what_is_written_is_read(networks in prop::collection::btree_map(any::<IpAddr>(), "[a-z]{0,5}", 0..20)) {
            let text: String = networks.iter().map(|(a, v)| format!("{a} {v}\n")).collect();
            let read = parse(Path::new("s"), &text).unwrap();
            prop_assert_eq!(read.len(), networks.len());
            for (address, value) in networks {
                prop_assert_eq!(read.longest(address).map(|(_, v)| v.clone()), Some(value));
            }
        }
    }
}
