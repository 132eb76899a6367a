//! The JSON object of an expectation.
//!
//! Its keys are documented with those of a flow, in the parent module.

use alloc::vec::Vec;

use ctwarden_model::{Expectation, Tuple};

use crate::EventContext;
use crate::text::EXPECTATION_FLAGS;

use super::object::Object;
use super::{write_event, write_protocol, write_protocol_only, write_tuple, write_userspace};

/// Appends the object of an expectation, without a line end.
pub fn expectation(out: &mut Vec<u8>, expectation: &Expectation, context: &EventContext<'_>) {
    let mut object = Object::open(out);
    write_event(&mut object, context);
    object.some_number("id", expectation.id.map(|id| id.0));
    write_protocol(&mut object, &expectation.tuple);
    object.number("zone", expectation.zone.0);
    object.some_number("timeout", expectation.timeout);
    let nat = expectation.nat.as_ref();
    let tuples = [("expected", &expectation.tuple), ("mask", &expectation.mask), ("master", &expectation.master)];
    let write = |object: &mut Object<'_>, tuple: &Tuple| {
        if tuple.protocol != expectation.tuple.protocol {
            write_protocol_only(object, tuple.protocol);
        }
        write_tuple(object, tuple);
    };
    for (name, tuple) in tuples {
        object.object(name, |object| write(object, tuple));
    }
    if let Some(flags) = expectation.flags {
        let names = EXPECTATION_FLAGS.into_iter().filter(|(bit, _)| flags & bit != 0).map(|(_, name)| name);
        object.strings("flags", names);
        object.number("flags_bits", flags);
    }
    object.some_number("class", expectation.class);
    for (name, text) in [("helper", &expectation.helper), ("function", &expectation.function)] {
        if let Some(text) = text {
            object.string(name, text);
        }
    }
    if let Some((direction, tuple)) = nat {
        object.object("nat", |object| {
            object.number("direction", *direction);
            object.object("tuple", |object| write(object, tuple));
        });
    }
    write_userspace(&mut object, context);
    object.close();
}
