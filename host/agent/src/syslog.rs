//! Records as RFC 5424, to a Unix datagram socket, over UDP, or over TCP with the octet counts of RFC 6587.

mod message;

use std::io::{self, Write};
use std::net::{TcpStream, ToSocketAddrs, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use ctwarden_control::RecordLine;

use self::message::Form;
use crate::address::SyslogAddress;
use crate::daemon::Outlet;
use crate::log;
use crate::tally::Tally;

/// Most messages that wait for a slow collector.
const WAITING_MAX: usize = 10_000;
/// The longest message in bytes. RFC 5424 asks receivers for 2048, and common ones take 8192.
const MESSAGE_MAX: usize = 8_192;
/// Time for one connect or write.
const WRITE_TIME: Duration = Duration::from_secs(5);
/// How long a message is tried again before it counts as lost.
const PATIENCE: Duration = Duration::from_secs(60);
const RETRY: Duration = Duration::from_millis(500);

/// The queue of the thread that writes to the collector.
pub(crate) struct Syslog {
    queue: SyncSender<Vec<u8>>,
    form: Form,
    alerts_only: bool,
    tally: Arc<Tally>,
}

impl Outlet for Syslog {
    fn put(&mut self, record: &RecordLine, line: &str) {
        if self.alerts_only && !record.is_alert() {
            return;
        }
        let message = self.form.message(record, line, MESSAGE_MAX);
        if self.queue.try_send(message).is_err() {
            self.tally.syslog_lost.add(1);
        }
    }
}

/// Starts the thread.
pub(crate) fn start(address: SyslogAddress, alerts_only: bool, tally: Arc<Tally>) -> Result<Syslog> {
    let (queue, taken) = sync_channel(WAITING_MAX);
    let mut writer = Writer { address, wire: None, is_told: false, tally: Arc::clone(&tally) };
    let run = move || writer.run(&taken);
    thread::Builder::new().name("syslog".to_owned()).spawn(run).context("cannot start a thread")?;
    Ok(Syslog { queue, form: Form::new(), alerts_only, tally })
}

enum Wire {
    Unix(UnixDatagram, PathBuf),
    Udp(UdpSocket),
    Tcp(TcpStream),
}

struct Writer {
    address: SyslogAddress,
    wire: Option<Wire>,
    /// Whether the present failure was reported.
    is_told: bool,
    tally: Arc<Tally>,
}

impl Writer {
    fn run(&mut self, taken: &Receiver<Vec<u8>>) {
        while let Ok(message) = taken.recv() {
            if self.deliver(&message) {
                self.tally.syslog_sent.add(1);
            } else {
                self.tally.syslog_lost.add(1);
            }
        }
    }

    /// Tries until the message is delivered or patience has ended.
    fn deliver(&mut self, message: &[u8]) -> bool {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.send(message) {
                Ok(()) => {
                    if std::mem::take(&mut self.is_told) {
                        log::say("syslog: the collector takes messages again");
                    }
                    return true;
                }
                Err(error) => {
                    self.wire = None;
                    if !std::mem::replace(&mut self.is_told, true) {
                        log::say(&format!("syslog: cannot send to {:?}: {error}; trying again", self.address));
                    }
                    if Instant::now() >= until {
                        return false;
                    }
                    thread::sleep(RETRY);
                }
            }
        }
    }

    fn send(&mut self, message: &[u8]) -> io::Result<()> {
        let wire = match &mut self.wire {
            Some(wire) => wire,
            wire => wire.insert(connect(&self.address)?),
        };
        match wire {
            Wire::Unix(socket, path) => socket.send_to(message, path).map(drop),
            Wire::Udp(socket) => socket.send(message).map(drop),
            Wire::Tcp(stream) => {
                if has_ended(stream)? {
                    return Err(io::ErrorKind::ConnectionReset.into());
                }
                let mut frame = format!("{} ", message.len()).into_bytes();
                frame.extend_from_slice(message);
                stream.write_all(&frame)
            }
        }
    }
}

/// Whether the collector has closed the connection. Collectors say nothing, so anything that can be read is an end. A
/// write would succeed once more and lose its message.
fn has_ended(stream: &TcpStream) -> io::Result<bool> {
    stream.set_nonblocking(true)?;
    let peeked = stream.peek(&mut [0]);
    stream.set_nonblocking(false)?;
    match peeked {
        Ok(length) => Ok(length == 0),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error),
    }
}

fn connect(address: &SyslogAddress) -> io::Result<Wire> {
    match address {
        SyslogAddress::Unix(path) => {
            let socket = UnixDatagram::unbound()?;
            socket.set_write_timeout(Some(WRITE_TIME))?;
            Ok(Wire::Unix(socket, path.clone()))
        }
        SyslogAddress::Udp(to) => first(to, |address| {
            let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
            let socket = UdpSocket::bind(any)?;
            socket.connect(address)?;
            Ok(Wire::Udp(socket))
        }),
        SyslogAddress::Tcp(to) => first(to, |address| {
            let stream = TcpStream::connect_timeout(&address, WRITE_TIME)?;
            stream.set_write_timeout(Some(WRITE_TIME))?;
            Ok(Wire::Tcp(stream))
        }),
    }
}

/// The first address of a name that works.
fn first(to: &str, connect: impl Fn(std::net::SocketAddr) -> io::Result<Wire>) -> io::Result<Wire> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, format!("{to} has no address"));
    for address in to.to_socket_addrs()? {
        match connect(address) {
            Ok(wire) => return Ok(wire),
            Err(error) => last = error,
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::TcpListener;

    use super::*;

    const RESTARTED: &str =
        r#"{"time":"2026-11-30T12:00:00.123456789Z","record":"notice","notice":"restarted","plugin":"a"}"#;

    fn put(syslog: &mut Syslog) {
        syslog.put(&RecordLine::read(RESTARTED).unwrap(), RESTARTED);
    }

    #[test]
    fn each_datagram_is_a_message() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let collector = UnixDatagram::bind(&path).unwrap();
        let tally = Arc::new(Tally::default());
        put(&mut start(SyslogAddress::Unix(path), false, Arc::clone(&tally)).unwrap());
        let mut bytes = [0; MESSAGE_MAX];
        let length = collector.recv(&mut bytes).unwrap();
        assert!(bytes[..length].starts_with(b"<29>1 2026-11-30T12:00:00.123456Z "), "{:?}", &bytes[..length]);
    }

    #[test]
    fn a_collector_that_comes_back_gets_the_next_message() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let tally = Arc::new(Tally::default());
        let mut syslog = start(SyslogAddress::Tcp(address.to_string()), false, Arc::clone(&tally)).unwrap();
        for _ in 0..2 {
            put(&mut syslog);
            let (mut stream, _) = listener.accept().unwrap();
            let mut count = Vec::new();
            let mut byte = [0];
            while stream.read_exact(&mut byte).is_ok() && byte != *b" " {
                count.push(byte[0]);
            }
            let length: usize = String::from_utf8(count).unwrap().parse().unwrap();
            let mut message = vec![0; length];
            stream.read_exact(&mut message).unwrap();
            assert!(message.starts_with(b"<29>1 ") && message.ends_with(b"}"), "{message:?}");
            drop(stream);
        }
    }

    #[test]
    fn only_alerts_if_asked() {
        let folder = tempfile::tempdir().unwrap();
        let tally = Arc::new(Tally::default());
        let address = SyslogAddress::Unix(folder.path().join("log"));
        let mut syslog = start(address, true, Arc::clone(&tally)).unwrap();
        put(&mut syslog);
        // The queue is empty, so the thread ends as soon as it has no sender.
        drop(syslog);
        assert_eq!((tally.syslog_sent.get(), tally.syslog_lost.get()), (0, 0));
    }
}
