//! Notices that the kernel's hash table was resized while a dump walked it.
//!
//! A dump remembers how many buckets it has passed (`ctnetlink_dump_table`, nf_conntrack_netlink.c). After a resize the
//! same number of buckets holds other flows. A dump of a shrunk table skips flows, and a dump of a grown table returns
//! flows twice. The kernel sets `NLM_F_DUMP_INTR` in neither case (Linux 6.18). So the reader has to compare the size.
//!
//! The kernel continues the walk only within a read (`netlink_recvmsg`). A check before the request and a check after
//! each read therefore miss one case: a resize and a resize back to the old size within a single read. That takes two
//! writers at the same time, because a writer waits for an RCU grace period.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

/// The number of buckets. Every network namespace shows the same table, which all namespaces share.
const BUCKETS: &str = "/proc/sys/net/netfilter/nf_conntrack_buckets";

/// Longer than a number of 64 bits and a line end.
const LENGTH: usize = 24;

/// The text of the file and its length.
type Size = ([u8; LENGTH], usize);

/// The size of the hash table at the beginning of a dump, and whether the table was resized since then.
#[derive(Clone, Debug)]
pub struct ResizeWatch {
    file: Option<Arc<File>>,
    before: Option<Size>,
    resized: bool,
}

impl ResizeWatch {
    /// Reads the size. Call it before requesting the dump, because the kernel begins the walk while it receives the
    /// request.
    #[must_use]
    pub fn begin() -> Self {
        Self::of(Path::new(BUCKETS))
    }

    /// As [`ResizeWatch::begin`], but reads the size from this file.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        let file = File::open(path).ok().map(Arc::new);
        let before = file.as_deref().and_then(size);
        Self { file, before, resized: false }
    }

    /// Whether the size is known. If it is not, a resize stays unnoticed.
    #[must_use]
    pub const fn can_see(&self) -> bool {
        self.before.is_some()
    }

    /// Reads the size again. Returns whether the size differed from the first one, now or at an earlier check. Call it
    /// after each read of the dump, before using what was read.
    pub fn is_resized(&mut self) -> bool {
        if !self.resized && self.can_see() {
            self.resized = self.file.as_deref().and_then(size) != self.before;
        }
        self.resized
    }
}

/// Makes one system call. For a read from the beginning of the file, the kernel generates the text again.
fn size(file: &File) -> Option<Size> {
    let mut text = [0; LENGTH];
    let length = file.read_at(&mut text, 0).ok().filter(|length| *length > 0)?;
    Some((text, length))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn another_size_is_noticed_and_not_forgotten() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "262144\n").unwrap();
        let mut watch = ResizeWatch::of(file.path());
        assert!(watch.can_see() && !watch.is_resized() && !watch.is_resized());
        fs::write(file.path(), "26214\n").unwrap();
        let mut other = watch.clone();
        assert!(watch.is_resized());
        fs::write(file.path(), "262144\n").unwrap();
        assert!(watch.is_resized(), "it was resized, whatever the size is now");
        assert!(!other.is_resized(), "a reader of its own has its own looks");
        assert!(!ResizeWatch::of(file.path()).is_resized(), "a new dump begins with the present size");
    }

    #[test]
    fn a_size_that_cannot_be_read_any_more_is_another_one() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "1024\n").unwrap();
        let mut watch = ResizeWatch::of(file.path());
        fs::write(file.path(), "").unwrap();
        assert!(watch.is_resized());
    }

    #[test]
    fn without_the_file_nothing_is_noticed() {
        let mut watch = ResizeWatch::of(Path::new("/nonexistent"));
        assert!(!watch.can_see() && !watch.is_resized());
    }

    #[test]
    fn this_kernel_tells_the_size() {
        let watch = ResizeWatch::begin();
        let told = fs::read(BUCKETS).ok().is_some_and(|text| !text.is_empty());
        assert_eq!(watch.can_see(), told);
        assert!(watch.before.is_none_or(|(text, length)| text[..length].ends_with(b"\n")));
    }
}
