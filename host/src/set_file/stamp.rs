//! The version of a file, and whether the file rests.

use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

/// Distinguishes versions of a file: a rename changes device or inode, a rewrite the time or the length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stamp {
    Present { device: u64, inode: u64, length: u64, modified: (i64, i64), changed: (i64, i64) },
    Absent,
}

impl Stamp {
    pub(super) fn of_open(file: &File) -> Self {
        file.metadata().map_or(Self::Absent, |metadata| Self::of(&metadata))
    }

    pub(super) fn of_path(path: &Path) -> Self {
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

    /// How long the file has not changed, by the wall clock; zero if the wall clock is behind the file's time. Nobody
    /// writes to a missing file.
    pub(super) fn age(&self, now: SystemTime) -> Duration {
        match self {
            Self::Absent => Duration::MAX,
            // The change time too, because the modification time can be set at will.
            Self::Present { modified, changed, .. } => {
                let (seconds, nanoseconds) = *modified.max(changed);
                let since = |seconds| Duration::new(seconds, u32::try_from(nanoseconds).unwrap_or_default());
                let then =
                    u64::try_from(seconds).ok().and_then(|seconds| SystemTime::UNIX_EPOCH.checked_add(since(seconds)));
                then.and_then(|then| now.duration_since(then).ok()).unwrap_or_default()
            }
        }
    }
}

/// How long a file has been seen in one version.
#[derive(Debug, Default)]
pub(super) struct Rest {
    seen: Option<(Stamp, Instant)>,
}

impl Rest {
    /// Records the current version, and returns for how long the file has had it.
    pub(super) fn note(&mut self, stamp: Stamp, now: Instant) -> Duration {
        match self.seen {
            Some((seen, since)) if seen == stamp => now.saturating_duration_since(since),
            Some(_) | None => {
                self.seen = Some((stamp, now));
                Duration::ZERO
            }
        }
    }

    /// Whether a version is waiting to be read.
    pub(super) const fn is_awaited(&self) -> bool {
        self.seen.is_some()
    }

    pub(super) fn forget(&mut self) {
        self.seen = None;
    }
}
