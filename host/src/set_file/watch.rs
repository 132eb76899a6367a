//! The thread that watches set files. The loop must not do that: reading a million networks takes a third of a second,
//! and a file system may block for any time.

use std::io;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::{GLANCE, SetChange, SetFiles};
use crate::niceness::Niceness;

/// How often files are checked. A ban in a list should take effect at once, and a check costs a system call a file.
const LOOK: Duration = Duration::from_millis(100);

/// Watches files until it is dropped.
pub(crate) struct SetWatch {
    thread: Option<Watcher>,
}

/// The loop's handle of the thread.
struct Watcher {
    changes: UnboundedReceiver<SetChange>,
    /// The thread ends when this sender is dropped; nothing is ever sent.
    _watched: Sender<()>,
}

impl SetWatch {
    pub(crate) const fn idle() -> Self {
        Self { thread: None }
    }

    /// Watches these files from now on.
    pub(crate) fn start(mut files: SetFiles) -> io::Result<Self> {
        if files.is_empty() {
            return Ok(Self::idle());
        }
        let (told, changes) = unbounded_channel();
        let (_watched, until) = channel();
        thread::Builder::new().name("ctwarden-sets".to_owned()).spawn(move || {
            Niceness::lower_priority();
            let mut heard = true;
            let mut pause = LOOK;
            while heard && until.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                heard = files.changed(Instant::now()).into_iter().all(|change| told.send(change).is_ok());
                pause = if files.is_awaited() { GLANCE } else { LOOK };
            }
        })?;
        Ok(Self { thread: Some(Watcher { changes, _watched }) })
    }

    /// The next set whose file has changed: its new networks, or why the old ones stay. Waits for ever if no file is
    /// watched. `None` if the thread has ended by itself, which happens only when it panics.
    pub(crate) async fn changed(&mut self) -> Option<SetChange> {
        match &mut self.thread {
            Some(thread) => thread.changes.recv().await,
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use ctwarden_model::SetName;

    use super::super::Rules;
    use super::*;

    #[tokio::test]
    async fn a_change_is_told_by_itself() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("banned.txt");
        fs::write(&path, "192.0.2.1\n").unwrap();
        let name = SetName("banned".into());
        let mut files = SetFiles::new();
        files.add(name.clone(), &path, Rules::default()).unwrap();
        let mut watch = SetWatch::start(files).unwrap();
        // In one step: a file that is written in place may be checked while it is empty.
        let replace = |text: &str| {
            let new = dir.path().join("new");
            fs::write(&new, text).unwrap();
            fs::rename(&new, &path).unwrap();
        };
        replace("192.0.2.1\n192.0.2.2\n");
        let (changed, networks) = watch.changed().await.unwrap();
        assert_eq!((changed, networks.unwrap().version.networks().len()), (name, 2));
        replace("wrong\n");
        assert!(watch.changed().await.unwrap().1.unwrap_err().to_string().contains("banned.txt:1:1: \"wrong\""));
    }

    #[tokio::test]
    async fn where_there_is_no_file_nothing_is_ever_told() {
        let mut watch = SetWatch::start(SetFiles::new()).unwrap();
        let told = tokio::time::timeout(LOOK * 2, watch.changed()).await;
        assert!(told.is_err(), "{told:?}");
    }
}
