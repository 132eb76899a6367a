//! Requests about expectations.
//!
//! They are in a module of their own because both tables have the same verbs.

use alloc::vec::Vec;

use ctwarden_model::{Expectation, ExpectationKey, Family, Tuple, Zone};

use crate::emit::{Emit, Head};
use crate::message::{EXPECTATION, Flags};
use crate::nfnetlink_conntrack::{cta_expect, cta_expect_nat, ctnl_exp};
use crate::tuple;

use super::{NONE, acked, request};

fn head(kind: u16, flags: Flags, sequence: u32, family: Option<Family>) -> Head {
    request(EXPECTATION | kind, flags, sequence, family)
}

/// Requests every expectation, or those of a family. The answer has one message for each, then a done message.
pub fn dump(buffer: &mut Vec<u8>, sequence: u32, family: Option<Family>) {
    Emit::message(buffer, head(ctnl_exp::GET, Flags::DUMP, sequence, family), |_| {});
}

/// Requests one expectation, by tuple, zone and id.
pub fn get(buffer: &mut Vec<u8>, sequence: u32, key: &ExpectationKey) {
    let head = head(ctnl_exp::GET, NONE, sequence, Some(key.tuple.family()));
    Emit::message(buffer, head, |message| write_key(message, key));
}

/// Requests one expectation by its tuple alone, with any id.
pub fn get_any(buffer: &mut Vec<u8>, sequence: u32, tuple: &Tuple) {
    let head = head(ctnl_exp::GET, NONE, sequence, Some(tuple.family()));
    Emit::message(buffer, head, |message| tuple::write(message, cta_expect::TUPLE, tuple, None));
}

/// Removes one expectation by its tuple alone, with any id. Acknowledged.
pub fn delete_any(buffer: &mut Vec<u8>, sequence: u32, tuple: &Tuple) {
    let head = head(ctnl_exp::DELETE, Flags::ACK, sequence, Some(tuple.family()));
    Emit::message(buffer, head, |message| tuple::write(message, cta_expect::TUPLE, tuple, None));
}

/// Removes one expectation, by tuple, zone and id.
pub fn delete(buffer: &mut Vec<u8>, sequence: u32, ack: bool, key: &ExpectationKey) {
    let head = head(ctnl_exp::DELETE, acked(ack), sequence, Some(key.tuple.family()));
    Emit::message(buffer, head, |message| write_key(message, key));
}

/// Removes every expectation of the namespace. Acknowledged.
pub fn flush(buffer: &mut Vec<u8>, sequence: u32) {
    Emit::message(buffer, head(ctnl_exp::DELETE, Flags::ACK, sequence, None), |_| {});
}

/// Creates an expectation. Acknowledged. Its master must be in the table and must have a helper.
pub fn create(buffer: &mut Vec<u8>, sequence: u32, expectation: &Expectation) {
    let flags = Flags::ACK.with(Flags::CREATE).with(Flags::EXCLUSIVE);
    let head = head(ctnl_exp::NEW, flags, sequence, Some(expectation.tuple.family()));
    Emit::message(buffer, head, |message| {
        tuple::write(message, cta_expect::MASTER, &expectation.master, None);
        tuple::write(message, cta_expect::TUPLE, &expectation.tuple, None);
        tuple::write(message, cta_expect::MASK, &expectation.mask, None);
        write_zone(message, expectation.zone);
        let numbers = [
            (cta_expect::TIMEOUT, expectation.timeout),
            (cta_expect::FLAGS, expectation.flags),
            (cta_expect::CLASS, expectation.class),
        ];
        for (number, value) in numbers {
            if let Some(value) = value {
                message.be32(number, value);
            }
        }
        let texts = [(cta_expect::HELP_NAME, &expectation.helper), (cta_expect::FN, &expectation.function)];
        for (number, text) in texts {
            if let Some(text) = text {
                message.text(number, text);
            }
        }
        if let Some((direction, tuple)) = &expectation.nat {
            write_nat(message, *direction, tuple);
        }
    });
}

fn write_key(message: &mut Emit<'_>, key: &ExpectationKey) {
    tuple::write(message, cta_expect::TUPLE, &key.tuple, None);
    write_zone(message, key.zone);
    message.be32(cta_expect::ID, key.id.0);
}

fn write_zone(message: &mut Emit<'_>, zone: Zone) {
    if zone != Zone(0) {
        message.be16(cta_expect::ZONE, zone.0);
    }
}

fn write_nat(message: &mut Emit<'_>, direction: u32, tuple: &Tuple) {
    message.nest(cta_expect::NAT, |message| {
        message.be32(cta_expect_nat::DIR, direction);
        tuple::write(message, cta_expect_nat::TUPLE, tuple, None);
    });
}
