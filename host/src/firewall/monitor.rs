//! Listens to nftables' notifications, and reports the tables and sets that other programs change.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result};
use ctwarden_netlink::{NetlinkSocket, Protocol, Read};
use ctwarden_wire::{Messages, MulticastGroup};

use crate::netlink::nftables::managed::text_attribute;

/// `NFNLGRP_NFTABLES` (linux/netfilter/nfnetlink.h).
const GROUP: MulticastGroup = MulticastGroup(7);
/// `NFNL_SUBSYS_NFTABLES`, the high byte of a message type.
const SUBSYSTEM: u16 = 10;
/// Messages about a generation, which belong to no table: `NFT_MSG_NEWGEN`.
const NEW_GENERATION: u16 = 15;
/// The attributes of tables, chains, rules, sets, elements and objects begin with the name of the table, and then the
/// name of the object.
const TABLE: u16 = 1;
const NAME: u16 = 2;
/// Bytes of `struct nfgenmsg` before the attributes.
const HEADER: usize = 4;

/// How long the thread waits before it looks whether it has to end.
const LOOK: Duration = Duration::from_millis(500);
/// Receive buffer. If notifications are lost, everything is compared.
const BUFFER: usize = 4 << 20;

/// What another program has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Touched {
    /// An object of a table: family number (`NFPROTO_*`), table, and the object's name if it has one.
    Object { family: u8, table: String, name: Option<String> },
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
        let socket = NetlinkSocket::open(Protocol::Netfilter)?;
        socket.size_receive_buffer(BUFFER)?;
        socket.join(GROUP)?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::Builder::new()
            .name("nft-monitor".to_owned())
            .spawn(move || listen(socket, &stopped, told))
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

fn listen(mut socket: NetlinkSocket, stop: &AtomicBool, mut told: impl FnMut(u32, Touched)) {
    while !stop.load(Ordering::Relaxed) {
        if let Err(error) = hear(&mut socket, &mut told) {
            crate::log::say(&format!("cannot read nftables' notifications: {error}; comparing once a minute"));
            return;
        }
    }
}

fn hear(socket: &mut NetlinkSocket, told: &mut impl FnMut(u32, Touched)) -> io::Result<()> {
    if !socket.wait(LOOK)? {
        return Ok(());
    }
    loop {
        match socket.read()? {
            Read::Nothing => return Ok(()),
            Read::Overrun => told(0, Touched::Anything),
            Read::Bytes => {
                let mut last = None;
                for message in Messages::new(socket.bytes()).flatten() {
                    let touched = touched(message.header.kind, message.payload).map(|what| (message.header.port, what));
                    // One change of many elements makes as many notifications.
                    if touched.is_some() && touched != last {
                        last = touched.clone();
                        if let Some((port, what)) = touched {
                            told(port, what);
                        }
                    }
                }
            }
        }
    }
}

fn touched(kind: u16, payload: &[u8]) -> Option<Touched> {
    if kind >> 8 != SUBSYSTEM || kind & 0xff == NEW_GENERATION {
        return None;
    }
    let family = payload.first().copied()?;
    let attributes = payload.get(HEADER..)?;
    let table = text_attribute(attributes, TABLE)?;
    Some(Touched::Object { family, table, name: text_attribute(attributes, NAME) })
}
