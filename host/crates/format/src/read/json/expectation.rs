//! Parses an object of [`crate::json::expectation`] into an expectation.
//!
//! Its tuples are read like the directions of a flow.

use alloc::string::String;

use ctwarden_model::{EventKind, Expectation, FlowId, Tuple, Zone};

use crate::json::event_kind;
use crate::text::EXPECTATION_FLAGS;

use super::super::entry::ExpectationEntry;
use super::super::error::{LineError, LineProblem};
use super::super::json_syntax::Json;
use super::direction::ReadDirection;
use super::expected::{TEXT, U16, U32};
use super::told_protocol::ToldProtocol;

/// Parts that can be checked only at the end of the object.
#[derive(Default)]
struct ExpectationMembers {
    protocol: ToldProtocol,
    tuples: [Option<(usize, ReadDirection)>; 3],
    flags: Option<u32>,
    flags_bits: Option<u32>,
    nat: Option<(usize, Option<u32>, Option<ReadDirection>)>,
}

pub(in super::super) fn entry(line: &str) -> Result<ExpectationEntry, LineError> {
    let mut json = Json::of(line);
    let begin = json.at();
    let mut told = ExpectationMembers::default();
    let mut kind = EventKind::Row;
    let (mut portid, mut program) = (None, None);
    let (mut id, mut zone, mut timeout, mut class) = (None, Zone(0), None, None);
    let (mut helper, mut function) = (None, None);
    json.members(|json, name| {
        if told.protocol.read(json, name)? {
            return Ok(());
        }
        match name {
            "event" => {
                let at = json.at();
                let text = json.string(TEXT)?;
                kind = event_kind(&text)
                    .ok_or_else(|| json.fail(at, LineProblem::value("event", "new, update or destroy", &text)))?;
            }
            "portid" => portid = Some(json.number("portid", U32)?),
            "program" => program = Some(String::from(json.string(TEXT)?)),
            "id" => id = Some(FlowId(json.number("id", U32)?)),
            "zone" => zone = Zone(json.number("zone", U16)?),
            "timeout" => timeout = Some(json.number("timeout", U32)?),
            "class" => class = Some(json.number("class", U32)?),
            "helper" => helper = Some(String::from(json.string(TEXT)?)),
            "function" => function = Some(String::from(json.string(TEXT)?)),
            _ => told.read(json, name)?,
        }
        Ok(())
    })?;
    json.end()?;
    let missing = |field| json.fail(begin, LineProblem::Missing(field));
    let protocol = told.protocol.get().ok_or_else(|| missing("protocol"))?;
    let complete = |told: Option<(usize, ReadDirection)>, field| {
        let (at, direction) = told.ok_or_else(|| missing(field))?;
        direction.tuple(Some(protocol)).map_err(|problem| json.fail(at, problem))
    };
    let [tuple, mask, master] = told.tuples;
    let nat = match told.nat {
        Some((at, direction, tuple)) => {
            let direction = direction.ok_or_else(|| json.fail(at, LineProblem::Missing("direction")))?;
            let tuple: Tuple = complete(tuple.map(|tuple| (at, tuple)), "tuple")?;
            Some((direction, tuple))
        }
        None => None,
    };
    let expectation = Expectation {
        id,
        zone,
        master: complete(master, "master")?,
        tuple: complete(tuple, "expected")?,
        mask: complete(mask, "mask")?,
        timeout,
        flags: told.flags_bits.or(told.flags),
        class,
        helper,
        function,
        nat,
    };
    Ok(ExpectationEntry { kind, time: None, expectation, portid, program })
}

impl ExpectationMembers {
    fn read(&mut self, json: &mut Json<'_>, name: &str) -> Result<(), LineError> {
        let [tuple, mask, master] = &mut self.tuples;
        match name {
            "expected" => *tuple = Some((json.at(), ReadDirection::read(json)?)),
            "mask" => *mask = Some((json.at(), ReadDirection::read(json)?)),
            "master" => *master = Some((json.at(), ReadDirection::read(json)?)),
            "flags_bits" => self.flags_bits = Some(json.number("flags_bits", U32)?),
            "flags" => {
                let mut flags = 0;
                json.items(|json| {
                    let at = json.at();
                    let name = json.string(TEXT)?;
                    let known = EXPECTATION_FLAGS.into_iter().find(|(_, known)| *known == name);
                    let names = "PERMANENT, INACTIVE and USERSPACE";
                    let (bit, _) = known.ok_or_else(|| json.fail(at, LineProblem::value("flags", names, &name)))?;
                    flags |= bit;
                    Ok(())
                })?;
                self.flags = Some(flags);
            }
            "nat" => {
                let at = json.at();
                let (mut direction, mut tuple) = (None, None);
                json.members(|json, name| {
                    match name {
                        "direction" => direction = Some(json.number("direction", U32)?),
                        "tuple" => tuple = Some(ReadDirection::read(json)?),
                        _ => json.skip()?,
                    }
                    Ok(())
                })?;
                self.nat = Some((at, direction, tuple));
            }
            _ => json.skip()?,
        }
        Ok(())
    }
}
