//! What the kernel can do with sockets.

use super::*;
use crate::witness::in_own_namespace;

#[test]
fn this_kernel_reports_and_closes_sockets() {
    in_own_namespace(|| {
        let mut sockets = Sockets::open().unwrap();
        assert!(sockets.knows(Protocol::TCP).unwrap() && sockets.knows(Protocol::UDP).unwrap());
        assert!(sockets.can_close().unwrap());
    });
}

#[test]
fn only_protocols_with_connected_sockets_have_ends() {
    let tuple = |protocol, layer4| Tuple { src: [10, 0, 0, 1].into(), dst: [10, 0, 0, 2].into(), protocol, layer4 };
    let ends = |tuple: Tuple| SocketEnd::of(&PerDirection { original: tuple, reply: tuple.reversed() });
    let ports = Layer4::Ports { src: 1, dst: 2 };
    let [sender, receiver] = ends(tuple(Protocol::TCP, ports)).unwrap();
    assert_eq!((sender.local, sender.peer), (receiver.peer, receiver.local));
    assert!(ends(tuple(Protocol::UDP, ports)).is_some());
    assert_eq!(ends(tuple(Protocol::SCTP, ports)), None);
}
