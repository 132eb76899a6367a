//! A long transfer with a progress report.
//!
//! A connection may outlive its deleted entry, and a dropped packet causes no error. So only the received bytes show
//! that a transfer has stalled: their number, and the time since the last one.

use std::io::{ErrorKind, Read};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::TrafficError;
use crate::bound::{Bound, LOOK, Part};
use crate::host::Host;

/// A running transfer. It ends when the value is dropped.
pub struct Transfer {
    progress: Arc<Progress>,
    stream: TcpStream,
    part: Part,
    thread: Option<JoinHandle<()>>,
}

struct Progress {
    since: Instant,
    received: AtomicU64,
    /// Microseconds from `since` to the last received byte.
    last: AtomicU64,
    ended: AtomicBool,
}

impl Progress {
    fn now(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

impl Transfer {
    pub(super) fn start(stream: TcpStream, host: &Host, bound: &Bound) -> Result<Self, TrafficError> {
        let opened = |stream: &TcpStream| {
            stream.set_read_timeout(Some(LOOK))?;
            stream.try_clone()
        };
        let mut reading = opened(&stream).map_err(|source| {
            let unknown = SocketAddr::from(([0, 0, 0, 0], 0));
            let to = stream.peer_addr().unwrap_or(unknown);
            TrafficError::Connect { from: stream.local_addr().unwrap_or(unknown).ip(), to, source }
        })?;
        let progress = Arc::new(Progress {
            since: Instant::now(),
            received: AtomicU64::new(0),
            last: AtomicU64::new(0),
            ended: AtomicBool::new(false),
        });
        let part = bound.part();
        let (told, until) = (Arc::clone(&progress), part.clone());
        let thread = host.spawn("transfer", move || {
            let mut bytes = vec![0; 64 * 1024];
            while !until.is_over() {
                match reading.read(&mut bytes) {
                    Ok(0) => break,
                    Ok(length) => {
                        told.received.fetch_add(length as u64, Ordering::Relaxed);
                        told.last.store(told.now(), Ordering::Relaxed);
                    }
                    Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                    Err(_) => break,
                }
            }
            told.ended.store(true, Ordering::Relaxed);
        })?;
        Ok(Self { progress, stream, part, thread: Some(thread) })
    }

    pub fn received(&self) -> u64 {
        self.progress.received.load(Ordering::Relaxed)
    }

    /// Time since the last received byte, or since the start.
    pub fn idle_for(&self) -> Duration {
        let last = self.progress.last.load(Ordering::Relaxed);
        Duration::from_micros(self.progress.now().saturating_sub(last))
    }

    /// Whether the connection has ended: by the server, by a reset, or with the lab.
    pub fn has_ended(&self) -> bool {
        self.progress.ended.load(Ordering::Relaxed)
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        self.part.end();
        // The connection may have ended already, so an error is expected.
        let _ = self.stream.shutdown(Shutdown::Both);
        // The thread has printed its own panic.
        drop(self.thread.take().map(JoinHandle::join));
    }
}
