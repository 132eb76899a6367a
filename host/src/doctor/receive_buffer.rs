//! How large a socket's receive buffer can be, and how many events fit into it.

use std::os::fd::AsFd;

use rustix::net::{AddressFamily, SocketFlags, SocketType, netlink, socket_with, sockopt};
use serde::Serialize;

use super::finding::Finding;
use super::setting;

const LIMIT: &str = "net.core.rmem_max";

/// The size that the daemon requests by default. The kernel includes its own overhead in it.
const WANTED: usize = 64 << 20;
/// Bytes of an event with that overhead, measured on Linux 6.18.
const EVENT: usize = 1280;
/// Events that a burst can contain; a smaller buffer loses some of them. At 20,000 new flows a second, this is a
/// quarter of a second.
const ENOUGH: usize = 5_000;

/// The buffer that a socket got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct ReceiveBuffer {
    /// `net.core.rmem_max`, in bytes as programs request them.
    pub(super) limit: Option<u64>,
    /// Whether this process may exceed the limit (`SO_RCVBUFFORCE`).
    pub(super) forced: bool,
    /// Bytes that a socket got when it requested as many as the daemon does.
    pub(super) bytes: Option<usize>,
    /// Events that fit into these bytes.
    pub(super) events: Option<usize>,
}

impl ReceiveBuffer {
    /// Requests the buffer on a socket that is closed afterwards; this allocates nothing.
    pub(super) fn try_out() -> Self {
        let limit = setting::read(LIMIT);
        let opened =
            socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, Some(netlink::NETFILTER));
        let Ok(socket) = opened else {
            return Self { limit, forced: false, bytes: None, events: None };
        };
        let socket = socket.as_fd();
        // The kernel doubles the requested value (socket(7)).
        let forced = sockopt::set_socket_recv_buffer_size_force(socket, WANTED / 2).is_ok();
        if !forced {
            // A request above the limit is not an error; the kernel cuts it to the limit.
            let _ = sockopt::set_socket_recv_buffer_size(socket, WANTED / 2);
        }
        let bytes = sockopt::socket_recv_buffer_size(socket).ok();
        Self { limit, forced, bytes, events: bytes.map(|bytes| bytes / EVENT) }
    }

    pub(super) fn judge(&self) -> Finding {
        let name = "receive_buffer";
        let (Some(bytes), Some(events)) = (self.bytes, self.events) else {
            return Finding::note(name, "unknown", "no netlink socket could be opened");
        };
        let value = format!("{} KiB, {events} events", bytes / 1024);
        let limit =
            self.limit.map_or_else(|| "net.core.rmem_max".to_owned(), |limit| format!("net.core.rmem_max = {limit}"));
        if self.forced {
            return Finding::good(
                name,
                value,
                format!(
                    "{limit} does not limit ctwarden; a larger burst of events is lost and costs a sweep of the table"
                ),
            );
        }
        let bound = format!(
            "{limit} limits ctwarden here (SO_RCVBUFFORCE requires CAP_NET_ADMIN in the first user namespace); a \
             larger burst of events is lost and costs a sweep of the table"
        );
        if events >= ENOUGH {
            return Finding::good(name, value, bound);
        }
        Finding::note(name, value, bound).change(setting::command(LIMIT, (WANTED / 2).try_into().unwrap_or(u64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    fn of(forced: bool, bytes: usize) -> Finding {
        ReceiveBuffer { limit: Some(212_992), forced, bytes: Some(bytes), events: Some(bytes / EVENT) }.judge()
    }

    #[test]
    fn a_small_buffer_that_cannot_grow_is_told() {
        let root = of(true, WANTED);
        assert_eq!((root.verdict, root.value.as_str()), (Verdict::Good, "65536 KiB, 52428 events"));
        let small = of(false, 425_984);
        assert!(small.verdict == Verdict::Note && small.value.contains("332 events"), "{small:?}");
        assert!(small.change.unwrap().ends_with("sysctl -w net.core.rmem_max=33554432"));
        assert_eq!(of(false, 8 << 20).verdict, Verdict::Good);
        let none = ReceiveBuffer { limit: None, forced: false, bytes: None, events: None };
        assert_eq!(none.judge().verdict, Verdict::Note);
    }

    #[test]
    fn a_socket_says_what_it_got() {
        assert!(ReceiveBuffer::try_out().events.is_some_and(|events| events > 0));
    }
}
