//! What wakes the loop when events come, and leaves it asleep while they are gathered.
//!
//! The runtime wakes for each arrival on a socket that it watches, whether or not anybody waits for one at the moment. A wake
//! costs more than decoding and judging an event, so that the socket is watched only while one is waited for.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use tokio::io::unix::AsyncFd;

/// A bell at a socket, on or off.
pub(super) struct SocketReadiness {
    socket: Arc<OwnedFd>,
    watched: Option<AsyncFd<Arc<OwnedFd>>>,
}

impl SocketReadiness {
    /// At that socket; off.
    pub(super) fn new(socket: &impl AsFd) -> io::Result<Self> {
        Ok(Self { socket: Arc::new(socket.as_fd().try_clone_to_owned()?), watched: None })
    }

    /// Switches it. Switched on it rings at once where something is there already.
    pub(super) fn switch(&mut self, on: bool) -> io::Result<()> {
        match (on, &self.watched) {
            (true, None) => self.watched = Some(crate::sys::watch(Arc::clone(&self.socket))?),
            (false, Some(_)) => self.watched = None,
            (true, Some(_)) | (false, None) => {}
        }
        Ok(())
    }

    /// Waits until it rings, which it does once for what has come: whoever hears it reads until nothing is left, or looks again
    /// without it. For ever where it is off.
    pub(super) async fn rings(&self) {
        match &self.watched {
            Some(watched) => {
                // Without a runtime nothing is watched, and nobody waits.
                if let Ok(mut ready) = watched.readable().await {
                    ready.clear_ready();
                }
            }
            None => std::future::pending().await,
        }
    }
}
