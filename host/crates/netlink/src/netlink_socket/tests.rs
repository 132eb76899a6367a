//! Tests on the real kernel, which answers each request separately and refuses an unknown one.

use super::*;

/// `struct nlmsghdr` alone (linux/netlink.h), of an unknown type, with a request for an acknowledgement.
fn request(sequence: u32) -> Vec<u8> {
    let kind = u16::MAX.to_ne_bytes();
    let flags = 0x5_u16.to_ne_bytes();
    [&16_u32.to_ne_bytes()[..], &kind, &flags, &sequence.to_ne_bytes(), &0_u32.to_ne_bytes()].concat()
}

fn sequence(bytes: &[u8]) -> u32 {
    u32::from_ne_bytes(bytes[8..12].try_into().unwrap())
}

/// Reads until nothing is left. Returns the sequence numbers of the messages and the number of overruns.
fn read_all(socket: &mut NetlinkSocket) -> (Vec<u32>, usize) {
    let (mut sequences, mut losses) = (Vec::new(), 0);
    loop {
        match socket.read().unwrap() {
            Read::Bytes => sequences.push(sequence(socket.bytes())),
            Read::Overrun => losses += 1,
            Read::Nothing => return (sequences, losses),
        }
    }
}

#[test]
fn each_message_comes_once_and_in_order_however_many_one_call_takes_over() {
    for open in [NetlinkSocket::open, NetlinkSocket::open_for_many] {
        let mut socket = open(Protocol::Netfilter).unwrap();
        for count in [0, 1, 31, 32, 33, 100] {
            (0..count).for_each(|number| socket.send(&request(number)).unwrap());
            assert_eq!(read_all(&mut socket), ((0..count).collect(), 0));
            assert!(!socket.has_taken_more());
        }
    }
}

#[test]
fn more_is_told_as_long_as_something_was_taken_over() {
    let mut socket = NetlinkSocket::open_for_many(Protocol::Netfilter).unwrap();
    (0..3).for_each(|number| socket.send(&request(number)).unwrap());
    let told = std::iter::from_fn(|| matches!(socket.read(), Ok(Read::Bytes)).then(|| socket.has_taken_more()));
    assert_eq!(told.collect::<Vec<_>>(), [true, true, false]);
}

#[test]
fn a_loss_is_told_and_what_came_before_it_is_not_lost() {
    let mut socket = NetlinkSocket::open_for_many(Protocol::Netfilter).unwrap();
    socket.size_receive_buffer(8 << 10).unwrap();
    (0..200).for_each(|number| socket.send(&request(number)).unwrap());
    let (sequences, losses) = read_all(&mut socket);
    assert!((1..200).contains(&sequences.len()), "{}", sequences.len());
    assert_eq!(sequences, (0..200).take(sequences.len()).collect::<Vec<_>>());
    assert_eq!(losses, 1);
    // The socket still works.
    socket.send(&request(7)).unwrap();
    assert_eq!(read_all(&mut socket), (vec![7], 0));
}

#[test]
fn what_another_program_sends_is_thrown_away() {
    let mut socket = NetlinkSocket::open_for_many(Protocol::Netfilter).unwrap();
    let stranger = NetlinkSocket::open(Protocol::Netfilter).unwrap();
    let sent = stranger.socket.send_to(&request(1), &SocketAddr::new(socket.port(), 0), 0);
    if let Err(error) = &sent {
        assert_eq!(error.raw_os_error(), Some(Errno::EPERM as i32));
        println!("only root may send to another program on this protocol; only the kernel's messages are looked at");
    }
    socket.send(&request(2)).unwrap();
    assert_eq!(read_all(&mut socket), (vec![2], 0));
}
