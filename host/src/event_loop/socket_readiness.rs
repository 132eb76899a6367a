//! Readiness of the event socket. The loop sleeps while events are gathered.
//!
//! The runtime wakes for each arrival on a watched socket, even if no task waits for it. A wakeup costs more than
//! decoding and judging an event, so the socket is watched only while the loop waits for an event.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use tokio::io::unix::AsyncFd;

/// The readiness of a socket that is watched only at times.
pub(super) struct SocketReadiness {
    socket: Arc<OwnedFd>,
    watched: Option<AsyncFd<Arc<OwnedFd>>>,
    /// Whether the socket may still hold data that [`SocketReadiness::ready`] has already reported.
    has_unread: bool,
}

impl SocketReadiness {
    /// Creates the readiness of `socket`, which is not watched yet.
    pub(super) fn new(socket: &impl AsFd) -> io::Result<Self> {
        Ok(Self { socket: Arc::new(socket.as_fd().try_clone_to_owned()?), watched: None, has_unread: false })
    }

    /// Starts or stops watching the socket. A new watch also reports data that has already arrived.
    pub(super) fn watch(&mut self, on: bool) -> io::Result<()> {
        match (on, &self.watched) {
            (true, None) => self.watched = Some(crate::sys::watch(Arc::clone(&self.socket))?),
            (false, Some(_)) => self.watched = None,
            (true, Some(_)) | (false, None) => {}
        }
        Ok(())
    }

    /// Waits until the socket is readable, or forever if it is not watched. Each arrival is reported once: the caller
    /// reads until nothing is left, or notes the rest with [`SocketReadiness::set_unread`].
    pub(super) async fn ready(&self) {
        match &self.watched {
            Some(watched) => {
                // Without a runtime no socket is watched and no task waits.
                if let Ok(mut ready) = watched.readable().await {
                    ready.clear_ready();
                }
            }
            None => std::future::pending().await,
        }
    }

    pub(super) const fn set_unread(&mut self, has_unread: bool) {
        self.has_unread = has_unread;
    }

    pub(super) const fn has_unread(&self) -> bool {
        self.has_unread
    }
}
