//! A line of `conntrack -L expect` and `-E expect`.
//!
//! A line of `/proc/net/nf_conntrack_expect` is not read: it shows neither the mask nor the master.

use ctwarden_model::{Expectation, Protocol, Zone};

use crate::text::EXPECTATION_FLAGS;

use super::super::entry::ExpectationEntry;
use super::super::error::{LineError, LineProblem};
use super::super::tuple::TupleParts;
use super::super::words::Word;
use super::field::{U8, U16, U32, address, layer4, number};
use super::reader::Reader;

/// The values of the fields: expected tuple, mask and master, and which of them the next field belongs to.
#[derive(Default)]
struct ExpectationFields<'a> {
    protocol: Option<Protocol>,
    tuples: [TupleParts; 3],
    current: usize,
    zone: Zone,
    flags: Option<u32>,
    class: Option<u32>,
    helper: Option<&'a str>,
}

pub(in super::super) fn entry(line: &str) -> Result<ExpectationEntry, LineError> {
    let mut reader = Reader::of(line);
    let time = reader.moment()?;
    let kind = reader.kind();
    let timeout = reader.timeout()?;
    let mut fields = ExpectationFields::default();
    while let Some(word) = reader.words.take() {
        let at = word.at.saturating_add(word.text.find('=').map_or(0, |sign| sign.saturating_add(1)));
        fields.set(word).map_err(|problem| reader.fail(at, problem))?;
    }
    let fail = |problem| LineError::at(line, line.trim_ascii_end().len(), problem);
    let protocol = fields.protocol.ok_or_else(|| fail(LineProblem::Missing("proto=")))?;
    let [tuple, mask, master] = fields.tuples;
    let expectation = Expectation {
        id: None,
        zone: fields.zone,
        master: master.complete(protocol).map_err(fail)?,
        tuple: tuple.complete(protocol).map_err(fail)?,
        mask: mask.complete(protocol).map_err(fail)?,
        timeout,
        flags: fields.flags,
        class: fields.class,
        helper: fields.helper.map(Into::into),
        function: None,
        nat: None,
    };
    Ok(ExpectationEntry { kind, time, expectation, portid: None, program: None })
}

impl<'a> ExpectationFields<'a> {
    fn set(&mut self, word: Word<'a>) -> Result<(), LineProblem> {
        let Some((key, value)) = word.field() else { return self.set_flags(word.text) };
        self.current = match key {
            "mask-src" => 1,
            "master-src" => 2,
            _ => self.current,
        };
        let Some(parts) = self.tuples.get_mut(self.current) else { return Ok(()) };
        if layer4(parts, key, value)? {
            return Ok(());
        }
        match key {
            "proto" => self.protocol = Some(Protocol(number("proto", U8, value)?)),
            "src" | "mask-src" | "master-src" => parts.src = Some(address("a source address", value)?),
            "dst" | "mask-dst" | "master-dst" => parts.dst = Some(address("a destination address", value)?),
            "id" if parts.awaits_icmp_id() => parts.icmp_id = Some(number("id", U16, value)?),
            "zone" => self.zone = Zone(number("zone", U16, value)?),
            "class" => self.class = Some(number("class", U32, value)?),
            "helper" => self.helper = Some(value),
            _ => {}
        }
        Ok(())
    }

    fn set_flags(&mut self, names: &str) -> Result<(), LineProblem> {
        let mut flags = 0;
        for name in names.split(',') {
            let known = EXPECTATION_FLAGS.into_iter().find(|(_, known)| *known == name);
            let (bit, _) = known.ok_or_else(|| LineProblem::expected("a field=value or flags", name))?;
            flags |= bit;
        }
        self.flags = Some(flags);
        Ok(())
    }
}
