//! Kills of real sockets in the real kernel. The entries are made by request, so that no rule is needed.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ctwarden_model::{FlowId, Layer4, PerDirection, ProtocolInfo, Status, TcpFlags, TcpState, Tuple};
use socket2::{Domain, Socket, Type};

use super::*;
use crate::witness::{in_own_namespace, ip};

/// A block that remembers what it was asked for.
struct Remembering(Arc<Mutex<Vec<PerDirection<Tuple>>>>);

impl ForwardedBlock for Remembering {
    fn block(&mut self, flows: &[PerDirection<Tuple>]) -> Result<(), KillRefusal> {
        self.0.lock().unwrap().extend_from_slice(flows);
        Ok(())
    }
}

/// A host whose packet filter has no table of ctwarden.
struct NoTable;

impl ForwardedBlock for NoTable {
    fn block(&mut self, _: &[PerDirection<Tuple>]) -> Result<(), KillRefusal> {
        Err(KillRefusal::NoSocket)
    }
}

struct Host {
    requests: Requests,
    kills: Kills,
}

impl Host {
    fn new() -> Self {
        ip(&["link", "set", "lo", "up"]);
        Self { requests: Requests::open().unwrap(), kills: Kills::new(Box::new(NoTable)) }
    }

    /// Makes the entry of a flow, and returns its key.
    fn track(&mut self, flow: &Flow) -> FlowKey {
        self.requests.create(flow).unwrap();
        self.requests.get(&flow.key()).unwrap().unwrap().key()
    }

    fn kill(&mut self, key: FlowKey) -> Ack {
        let acks = self.kills.end(&[(EffectId(7), key)], &mut self.requests);
        assert_eq!(acks.len(), 1);
        assert_eq!(acks[0].0, EffectId(7));
        acks[0].1
    }

    fn is_tracked(&mut self, key: &FlowKey) -> bool {
        self.requests.get(key).unwrap().is_some()
    }
}

fn tuple(protocol: Protocol, src: SocketAddr, dst: SocketAddr) -> Tuple {
    let canonical = |address: SocketAddr| address.ip().to_canonical();
    let layer4 = Layer4::Ports { src: src.port(), dst: dst.port() };
    Tuple { src: canonical(src), dst: canonical(dst), protocol, layer4 }
}

fn flow(protocol: Protocol, src: SocketAddr, dst: SocketAddr) -> Flow {
    let original = tuple(protocol, src, dst);
    with_reply(original, original.reversed())
}

fn with_reply(original: Tuple, reply: Tuple) -> Flow {
    let state = |state| ProtocolInfo::Tcp {
        state: Some(state),
        window_scale: PerDirection { original: None, reply: None },
        flags: PerDirection { original: Some(TcpFlags::default()), reply: Some(TcpFlags::default()) },
    };
    Flow {
        timeout: Some(1000),
        status: Some(Status::CONFIRMED),
        info: (original.protocol == Protocol::TCP).then(|| state(TcpState::ESTABLISHED)),
        ..Flow::new(PerDirection { original, reply })
    }
}

fn at(address: &str) -> SocketAddr {
    address.parse().unwrap()
}

fn read_error(mut socket: &TcpStream) -> Option<ErrorKind> {
    socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    socket.read(&mut [0; 8]).err().map(|error| error.kind())
}

/// Whether data sent by one socket arrives at the other.
fn passes(mut from: &TcpStream, mut to: &TcpStream) -> bool {
    to.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    from.write_all(b"x").is_ok() && to.read(&mut [0; 8]).is_ok_and(|bytes| bytes == 1)
}

fn udp(local: &str, peer: Option<SocketAddr>) -> UdpSocket {
    let socket = UdpSocket::bind(local).unwrap();
    if let Some(peer) = peer {
        socket.connect(peer).unwrap();
    }
    socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    socket
}

fn aborted(socket: &UdpSocket) -> bool {
    socket.recv(&mut [0; 8]).is_err_and(|error| error.kind() == ErrorKind::ConnectionAborted)
}

#[test]
fn both_ends_of_a_tcp_connection_end_and_the_listener_stays() {
    for (listens, dials) in
        [("127.0.0.1:0", "127.0.0.1"), ("[::1]:0", "::1"), ("[::]:0", "::ffff:127.0.0.1"), ("[::]:0", "127.0.0.1")]
    {
        in_own_namespace(move || {
            let mut host = Host::new();
            let listener = TcpListener::bind(listens).unwrap();
            let port = listener.local_addr().unwrap().port();
            let target = SocketAddr::new(dials.parse::<IpAddr>().unwrap(), port);
            let connect = || {
                let client = TcpStream::connect(target).unwrap();
                (client, listener.accept().unwrap().0)
            };
            let ((client, server), (spared, spared_server)) = (connect(), connect());
            let flow = flow(Protocol::TCP, client.local_addr().unwrap(), client.peer_addr().unwrap());
            let key = host.track(&flow);
            assert_eq!(host.kill(key), Ack::Done, "{listens} {dials}");
            assert!(!host.is_tracked(&key));
            assert_eq!(read_error(&client), Some(ErrorKind::ConnectionAborted));
            let server = read_error(&server);
            assert!(matches!(server, Some(ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset)), "{server:?}");
            assert!(passes(&spared, &spared_server), "another connection of the same listener");
            let (new, new_server) = connect();
            assert!(passes(&new, &new_server), "the listener accepts");
        });
    }
}

#[test]
fn a_connected_udp_socket_ends_of_each_family() {
    for (binds, peer) in [("127.0.0.1:0", "127.0.0.2:53"), ("[::1]:0", "[::1]:53"), ("[::]:0", "[::ffff:127.0.0.2]:53")]
    {
        in_own_namespace(move || {
            let mut host = Host::new();
            let client = udp(binds, Some(at(peer)));
            let spared = udp(binds, Some(at(peer)));
            let key = host.track(&flow(Protocol::UDP, client.local_addr().unwrap(), at(peer)));
            assert_eq!(host.kill(key), Ack::Done, "{peer}");
            assert!(aborted(&client) && !aborted(&spared));
            assert!(!host.is_tracked(&key));
        });
    }
}

#[test]
fn a_listening_or_unconnected_socket_is_never_closed() {
    in_own_namespace(|| {
        let mut host = Host::new();
        let why = Ack::NotKilled(KillRefusal::NoSocket);
        for binds in ["127.0.0.1:0", "0.0.0.0:0", "[::]:0"] {
            let listener = TcpListener::bind(binds).unwrap();
            let server = udp(binds, None);
            let (tcp_at, udp_at) = (listener.local_addr().unwrap().port(), server.local_addr().unwrap().port());
            for (protocol, port) in [(Protocol::TCP, tcp_at), (Protocol::UDP, udp_at)] {
                let server = SocketAddr::new(at("127.0.0.1:0").ip(), port);
                let key = host.track(&flow(protocol, at("127.0.0.9:1000"), server));
                assert_eq!(host.kill(key), why, "{binds} {protocol:?}");
                assert!(!host.is_tracked(&key), "its entry is deleted");
            }
            let client = TcpStream::connect(("127.0.0.1", tcp_at)).unwrap();
            assert!(passes(&client, &listener.accept().unwrap().0));
            let client = udp("127.0.0.1:0", Some(SocketAddr::new(at("127.0.0.1:0").ip(), udp_at)));
            client.send(b"x").unwrap();
            assert_eq!(server.recv(&mut [0; 8]).unwrap(), 1);
        }
    });
}

#[test]
fn nat_does_not_hide_the_sockets() {
    in_own_namespace(|| {
        let mut host = Host::new();
        // The client sends to an address that destination NAT replaces, from one that source NAT replaces.
        let client = udp("127.0.0.1:1000", Some(at("127.0.0.2:53")));
        let server = udp("127.0.0.3:5353", Some(at("127.0.0.4:2000")));
        let original = tuple(Protocol::UDP, at("127.0.0.1:1000"), at("127.0.0.2:53"));
        let reply = tuple(Protocol::UDP, at("127.0.0.3:5353"), at("127.0.0.4:2000"));
        let key = host.track(&with_reply(original, reply));
        assert_eq!(host.kill(key), Ack::Done);
        assert!(aborted(&client) && aborted(&server));
    });
}

#[test]
fn a_socket_that_is_bound_to_an_interface_is_found() {
    in_own_namespace(|| {
        let mut host = Host::new();
        let client = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
        client.bind_device(Some(b"lo")).unwrap();
        client.bind(&at("127.0.0.1:1000").into()).unwrap();
        client.connect(&at("127.0.0.2:53").into()).unwrap();
        let key = host.track(&flow(Protocol::UDP, at("127.0.0.1:1000"), at("127.0.0.2:53")));
        assert_eq!(host.kill(key), Ack::Done);
        let client = UdpSocket::from(client);
        client.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        assert!(aborted(&client));
    });
}

#[test]
fn a_flow_without_a_socket_is_blocked_by_both_tuples() {
    in_own_namespace(|| {
        let mut host = Host::new();
        let asked = Arc::new(Mutex::new(Vec::new()));
        host.kills = Kills::new(Box::new(Remembering(Arc::clone(&asked))));
        let client = udp("127.0.0.1:1000", Some(at("127.0.0.2:53")));
        let local = host.track(&flow(Protocol::UDP, at("127.0.0.1:1000"), at("127.0.0.2:53")));
        let forwarded = with_reply(
            tuple(Protocol::TCP, at("10.0.0.1:1000"), at("192.0.2.1:80")),
            tuple(Protocol::TCP, at("10.1.0.1:8080"), at("198.51.100.1:3000")),
        );
        let key = host.track(&forwarded);
        let kills = [(EffectId(1), key), (EffectId(2), local)];
        let acks = host.kills.end(&kills, &mut host.requests);
        assert_eq!(acks, [(EffectId(1), Ack::Done), (EffectId(2), Ack::Done)]);
        assert_eq!(*asked.lock().unwrap(), [forwarded.tuples]);
        assert!(!host.is_tracked(&key) && !host.is_tracked(&local) && aborted(&client));
    });
}

#[test]
fn another_flow_of_the_same_tuple_is_spared() {
    in_own_namespace(|| {
        let mut host = Host::new();
        let client = udp("127.0.0.1:1000", Some(at("127.0.0.2:53")));
        let key = host.track(&flow(Protocol::UDP, at("127.0.0.1:1000"), at("127.0.0.2:53")));
        let other = FlowKey { id: FlowId(key.id.0 ^ 1), ..key };
        assert_eq!(host.kill(other), Ack::Replaced);
        assert!(!aborted(&client) && host.is_tracked(&key));
        assert_eq!(host.kill(key), Ack::Done);
        assert_eq!(host.kill(key), Ack::Gone);
    });
}

#[test]
fn the_entry_of_a_connection_that_has_ended_is_only_deleted() {
    in_own_namespace(|| {
        let mut host = Host::new();
        for (port, state) in [(1000, TcpState::TIME_WAIT), (1001, TcpState::CLOSE)] {
            let mut ended = flow(Protocol::TCP, SocketAddr::new(at("10.0.0.1:0").ip(), port), at("192.0.2.1:80"));
            if let Some(ProtocolInfo::Tcp { state: is, .. }) = &mut ended.info {
                *is = Some(state);
            }
            let key = host.track(&ended);
            assert_eq!(host.kill(key), Ack::Done, "nothing was left to end");
            assert!(!host.is_tracked(&key));
        }
    });
}

#[test]
fn many_kills_at_once_end_each_its_own() {
    in_own_namespace(|| {
        let mut host = Host::new();
        let peer = at("127.0.0.2:53");
        let clients: Vec<UdpSocket> = (0..300).map(|_| udp("127.0.0.1:0", Some(peer))).collect();
        let mut kills = Vec::new();
        for (index, client) in (0..).zip(&clients) {
            let key = host.track(&flow(Protocol::UDP, client.local_addr().unwrap(), peer));
            if index % 3 != 0 {
                kills.push((EffectId(index), key));
            }
        }
        for (part, acks) in
            kills.chunks(Requests::IN_ONE_SEND).map(|part| (part, host.kills.end(part, &mut host.requests)))
        {
            assert_eq!(acks, part.iter().map(|(id, _)| (*id, Ack::Done)).collect::<Vec<_>>());
        }
        let alive = clients.iter().filter(|client| {
            client.set_nonblocking(true).unwrap();
            client.recv(&mut [0; 8]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
        });
        assert_eq!(alive.count(), 100);
    });
}
