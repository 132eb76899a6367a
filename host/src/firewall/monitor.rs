//! Listens to nftables' notifications, and reports the tables and sets that other programs change.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::netlink::nftables::managed::text_attribute;
use crate::netlink::nftables::notifications::{Heard, Notifications};

/// The attributes of tables, chains, rules, sets, elements and objects begin with the name of the table, and then the
/// name of the object. Messages about a generation have neither.
const TABLE: u16 = 1;
const NAME: u16 = 2;

/// How long the thread waits before it looks whether it has to end.
const LOOK: Duration = Duration::from_millis(500);
/// Receive buffer. If notifications are lost, everything is compared.
const BUFFER: usize = 4 << 20;

/// What another program has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Touched {
    /// An object of a table, by the names of the table and of the object. `None` is the table itself.
    Object { table: String, name: Option<String> },
    /// Notifications were lost.
    Anything,
}

/// The thread ends when this is dropped.
pub(super) struct Monitor {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Monitor {
    /// Listens in the network namespace of the calling thread. `told` gets the port of the changing socket too.
    pub(super) fn start(told: impl FnMut(u32, Touched) + Send + 'static) -> Result<Self> {
        let notifications = Notifications::listen(BUFFER)?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::Builder::new()
            .name("nft-monitor".to_owned())
            .spawn(move || listen(notifications, &stopped, told))
            .context("cannot start the thread that listens to nftables")?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // That thread has reported its own panic.
            drop(thread.join());
        }
    }
}

fn listen(mut notifications: Notifications, stop: &AtomicBool, mut told: impl FnMut(u32, Touched)) {
    while !stop.load(Ordering::Relaxed) {
        if let Err(error) = hear(&mut notifications, &mut told) {
            crate::log::say(&format!("cannot read nftables' notifications: {error}; comparing once a minute"));
            return;
        }
    }
}

fn hear(notifications: &mut Notifications, told: &mut impl FnMut(u32, Touched)) -> io::Result<()> {
    if !notifications.wait(LOOK)? {
        return Ok(());
    }
    let mut last = None;
    let mut take = |heard: Heard<'_>| {
        let touched = touched(heard);
        // One change of many elements makes as many notifications.
        if touched != last {
            last.clone_from(&touched);
            if let Some((port, what)) = touched {
                told(port, what);
            }
        }
    };
    while notifications.read(&mut take)? {}
    Ok(())
}

/// What was touched, and the port of the socket that touched it. `None` if the notification is about no table.
fn touched(heard: Heard<'_>) -> Option<(u32, Touched)> {
    match heard {
        Heard::Anything => Some((0, Touched::Anything)),
        Heard::Change(change) => {
            let table = text_attribute(change.attributes, TABLE)?;
            Some((change.port, Touched::Object { table, name: text_attribute(change.attributes, NAME) }))
        }
    }
}
