//! Tests on the real kernel, which refuses requests of an unknown type.

use super::*;

/// `struct nlmsghdr` and `struct nfgenmsg` (linux/netlink.h, linux/netfilter/nfnetlink.h), of an unknown type.
fn unknown(buffer: &mut Vec<u8>, sequence: u32) {
    let (length, kind, flags, port) = (20_u32, u16::MAX, Flags::REQUEST.0, 0_u32);
    buffer.extend_from_slice(&length.to_ne_bytes());
    buffer.extend_from_slice(&kind.to_ne_bytes());
    buffer.extend_from_slice(&flags.to_ne_bytes());
    buffer.extend_from_slice(&sequence.to_ne_bytes());
    buffer.extend_from_slice(&port.to_ne_bytes());
    buffer.extend_from_slice(&[0; 4]);
}

fn socket() -> RequestSocket {
    RequestSocket::open_for_many(Protocol::Netfilter, Duration::from_secs(1)).unwrap()
}

#[test]
fn a_refusal_is_the_answer_to_its_request() {
    let mut socket = socket();
    for _ in 0..3 {
        let refused = socket.ask(unknown, |_| ()).unwrap_err();
        assert!(matches!(refused, RequestError::Refused(errno) if errno != 0) && !refused.is_not_found());
    }
}

#[test]
fn each_request_of_a_send_has_its_answer_at_its_place() {
    let (mut socket, mut batch) = (socket(), Batch::new());
    for count in [0, 1, 2, 100] {
        (0..count).for_each(|_| batch.push(unknown));
        let mut places = Vec::new();
        let answer = |place, content: &Content<'_>| {
            assert!(matches!(content, Content::Answer(answer) if !answer.is_ack()));
            places.push(place);
        };
        socket.ask_each(&mut batch, answer).unwrap();
        assert_eq!((places, batch.len()), ((0..count).collect(), 0));
        (0..count).for_each(|_| batch.push(unknown));
        let mut places = Vec::new();
        socket.carry_out(&mut batch, |place, _| places.push(place)).unwrap();
        assert_eq!(places, (0..count).collect::<Vec<_>>());
    }
}

#[test]
fn a_dump_of_an_unknown_kind_is_refused() {
    let heard = socket().dump(unknown, None, |_, _| Err(RequestError::Overrun));
    assert!(matches!(heard, Err(RequestError::Refused(_))));
}

#[test]
fn a_request_without_an_answer_ends_with_the_patience() {
    let mut socket = RequestSocket::open(Protocol::Netfilter, Duration::from_millis(1)).unwrap();
    // The kernel ignores a message without the request flag.
    let silent = |buffer: &mut Vec<u8>, sequence| {
        unknown(buffer, sequence);
        buffer[6..8].fill(0);
    };
    assert!(matches!(socket.ask(silent, |_| ()), Err(RequestError::NoAnswer(_))));
    assert!(matches!(socket.ask(unknown, |_| ()), Err(RequestError::Refused(_))));
}

#[test]
fn an_overrun_is_told_and_the_next_request_has_its_own_answer() {
    let mut socket = socket();
    socket.socket.size_receive_buffer(8 << 10).unwrap();
    let mut batch = Batch::new();
    (0..200).for_each(|_| batch.push(unknown));
    assert!(matches!(socket.ask_each(&mut batch, |_, _| ()), Err(RequestError::Overrun)));
    assert!(matches!(socket.ask(unknown, |_| ()), Err(RequestError::Refused(_))));
}
