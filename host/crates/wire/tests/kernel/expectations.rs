//! Creating, requesting and removing expectations.
//!
//! Their master is an FTP control connection that a request creates.

use ctwarden_model::{Expectation, ExpectationKey, Family, Flow, FlowId, Protocol, Status, TcpState, Zone};
use ctwarden_wire::{Content, Messages, request};

use crate::namespace::{Kernel, Reply, in_namespace};
use crate::population::{plain, ports, tcp_info, tuple};

const ENOENT: i32 = 2;

fn read(reply: &Reply) -> Vec<Expectation> {
    Messages::new(&reply.bytes)
        .filter_map(|message| match message.unwrap().content() {
            Content::Expectation(entry) => Some(entry.expectation.to_expectation().unwrap()),
            _ => None,
        })
        .collect()
}

fn rows(kernel: &mut Kernel) -> Vec<Expectation> {
    read(&kernel.ask(|buffer, sequence| request::expectation::dump(buffer, sequence, None)))
}

/// Creates a control connection, and returns the expectation of its data connection.
pub(crate) fn asked(kernel: &mut Kernel) -> Expectation {
    let control = tuple("192.0.2.1", "192.0.2.2", Protocol::TCP, ports(1000, 21));
    let mut master = Flow { info: tcp_info(TcpState::ESTABLISHED), ..plain(control) };
    master.status = Some(Status::CONFIRMED | Status::HELPER);
    master.rare_mut().helper = Some("ftp".into());
    kernel.create(&master);
    Expectation {
        id: None,
        zone: Zone(0),
        master: control,
        tuple: tuple("192.0.2.2", "192.0.2.1", Protocol::TCP, ports(0, 5000)),
        mask: tuple("255.255.255.255", "255.255.255.255", Protocol::TCP, ports(0, 65535)),
        timeout: Some(300),
        flags: Some(0),
        class: Some(0),
        helper: Some("ftp".into()),
        function: None,
        nat: None,
    }
}

#[test]
fn what_is_made_is_what_was_asked() {
    in_namespace(|kernel| {
        let asked = asked(kernel);
        let reply = kernel.ask(|buffer, sequence| request::expectation::create(buffer, sequence, &asked));
        assert_eq!(reply.errno, Some(0));
        let made = rows(kernel).pop().unwrap();
        assert_eq!(Expectation { id: None, timeout: Some(300), ..made.clone() }, asked);

        let got = kernel.ask(|buffer, sequence| request::expectation::get(buffer, sequence, &made.key()));
        assert_eq!(read(&got).pop().map(|got| got.id), Some(made.id));
        let six = kernel.ask(|buffer, sequence| request::expectation::dump(buffer, sequence, Some(Family::Ipv6)));
        assert_eq!(read(&six), []);
    });
}

#[test]
fn a_delete_takes_only_the_expectation_that_was_meant() {
    in_namespace(|kernel| {
        let asked = asked(kernel);
        kernel.ask(|buffer, sequence| request::expectation::create(buffer, sequence, &asked));
        let key = rows(kernel).pop().unwrap().key();
        let mut delete = |key: ExpectationKey| {
            kernel.ask(|buffer, sequence| request::expectation::delete(buffer, sequence, true, &key)).errno
        };
        assert_eq!(delete(ExpectationKey { id: FlowId(key.id.0 ^ 1), ..key }), Some(ENOENT));
        assert_eq!(delete(ExpectationKey { zone: Zone(1), ..key }), Some(ENOENT));
        assert_eq!(delete(key), Some(0));
        assert_eq!(delete(key), Some(ENOENT));
    });
}

#[test]
fn a_flush_takes_them_all() {
    in_namespace(|kernel| {
        let asked = asked(kernel);
        kernel.ask(|buffer, sequence| request::expectation::create(buffer, sequence, &asked));
        assert_eq!(rows(kernel).len(), 1);
        assert_eq!(kernel.ask(request::expectation::flush).errno, Some(0));
        assert_eq!(rows(kernel), []);
    });
}
