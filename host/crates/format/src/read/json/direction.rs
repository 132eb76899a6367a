//! The object of a direction: a tuple and the attributes of this direction.
//!
//! The object of a master has the same shape: a tuple with its own protocol.

use core::net::IpAddr;

use ctwarden_model::{Protocol, SequenceAdjustment, TcpFlags, Tuple, Zone};

use super::super::error::{LineError, LineProblem};
use super::super::json_syntax::Json;
use super::super::tuple::TupleParts;
use super::expected::{TEXT, U8, U16, U32, U64};
use super::told_protocol::ToldProtocol;

const I32: &str = "a whole number of 32 bits with a sign";

/// The known parts of a direction.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ReadDirection {
    protocol: ToldProtocol,
    parts: TupleParts,
    pub(super) zone: Option<Zone>,
    pub(super) packets: Option<u64>,
    pub(super) bytes: Option<u64>,
    pub(super) window_scale: Option<u8>,
    tcp_flags: Option<u8>,
    tcp_flags_mask: Option<u8>,
    pub(super) vtag: Option<u32>,
    pub(super) sequence: Option<SequenceAdjustment>,
}

impl ReadDirection {
    pub(super) fn read(json: &mut Json<'_>) -> Result<Self, LineError> {
        let mut told = Self::default();
        json.members(|json, name| told.read_field(json, name))?;
        Ok(told)
    }

    fn read_field(&mut self, json: &mut Json<'_>, name: &str) -> Result<(), LineError> {
        if self.protocol.read(json, name)? {
            return Ok(());
        }
        let parts = &mut self.parts;
        match name {
            "src" => parts.src = Some(address(json, "src")?),
            "dst" => parts.dst = Some(address(json, "dst")?),
            "src_port" => parts.ports.0 = Some(json.number("src_port", U16)?),
            "dst_port" => parts.ports.1 = Some(json.number("dst_port", U16)?),
            "src_key" => parts.keys.0 = Some(json.number("src_key", U16)?),
            "dst_key" => parts.keys.1 = Some(json.number("dst_key", U16)?),
            "icmp_type" => parts.icmp_type = Some(json.number("icmp_type", U8)?),
            "icmp_code" => parts.icmp_code = Some(json.number("icmp_code", U8)?),
            "icmp_id" => parts.icmp_id = Some(json.number("icmp_id", U16)?),
            "zone" => self.zone = Some(Zone(json.number("zone", U16)?)),
            "packets" => self.packets = Some(json.number("packets", U64)?),
            "bytes" => self.bytes = Some(json.number("bytes", U64)?),
            "window_scale" => self.window_scale = Some(json.number("window_scale", U8)?),
            "tcp_flags" => self.tcp_flags = Some(json.number("tcp_flags", U8)?),
            "tcp_flags_mask" => self.tcp_flags_mask = Some(json.number("tcp_flags_mask", U8)?),
            "vtag" => self.vtag = Some(json.number("vtag", U32)?),
            "seqadj" => self.sequence = Some(sequence(json)?),
            _ => json.skip()?,
        }
        Ok(())
    }

    /// The tuple, with its own protocol or else the given one.
    pub(super) fn tuple(&self, protocol: Option<Protocol>) -> Result<Tuple, LineProblem> {
        let protocol = self.protocol.get().or(protocol).ok_or(LineProblem::Missing("protocol"))?;
        self.parts.tuple(protocol)
    }

    /// TCP flags. Without a mask, all flags count.
    pub(super) fn flags(&self) -> Option<TcpFlags> {
        self.tcp_flags.map(|flags| TcpFlags { flags, mask: self.tcp_flags_mask.unwrap_or(u8::MAX) })
    }
}

fn address(json: &mut Json<'_>, field: &'static str) -> Result<IpAddr, LineError> {
    let at = json.at();
    let text = json.string(TEXT)?;
    text.parse().map_err(|_| json.fail(at, LineProblem::value(field, "an IPv4 or IPv6 address", &text)))
}

fn sequence(json: &mut Json<'_>) -> Result<SequenceAdjustment, LineError> {
    let mut told = SequenceAdjustment::default();
    json.members(|json, name| {
        match name {
            "correction_pos" => told.correction_pos = Some(json.number("correction_pos", U32)?),
            "offset_before" => told.offset_before = Some(json.number("offset_before", I32)?),
            "offset_after" => told.offset_after = Some(json.number("offset_after", I32)?),
            _ => json.skip()?,
        }
        Ok(())
    })?;
    Ok(told)
}
