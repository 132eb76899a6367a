//! Converts the view of an entry to a value of the model.
//!
//! This module is separate from the view because it interprets. It skips odd attributes, turns absent ones into `None`,
//! and finds the zone that names the flow in requests.

use alloc::vec::Vec;

use ctwarden_model::{Attribute as Unknown, Flow, FlowId, FlowKey, Labels, Mark, PerDirection, Rare, Status, Zone};

use crate::error::DecodeError;
use crate::flow_view::{FlowView, NAMING};
use crate::nfnetlink_conntrack::cta;
use crate::report::{Report, Silent, heard};
use crate::{
    counters, helper, labels, protocol_info, security_context, sequence_adjustment, synproxy, timestamps, tuple,
};

impl FlowView<'_> {
    /// Returns the key that names the flow in a request, for a fraction of the cost of the whole value. The id is 0 if
    /// the message has none; no living entry has id 0.
    ///
    /// # Errors
    /// The original tuple is absent or makes no sense.
    pub fn key(&self) -> Result<FlowKey, DecodeError> {
        let original = self.original_zoned(&mut Silent)?;
        let zone = self.zone().or(original.zone).unwrap_or_default();
        Ok(FlowKey { id: self.id().unwrap_or_default(), zone, original: original.tuple })
    }

    /// Converts the entry to a value, and passes each skipped attribute to `report`.
    ///
    /// The flow's zone is the zone of its *original* tuple, because that zone names the flow in a request: `CTA_ZONE`,
    /// or the zone of the original direction if zones differ by direction.
    ///
    /// # Errors
    /// The original tuple is absent or makes no sense.
    #[inline]
    pub fn to_flow_telling<R: Report>(&self, report: &mut R) -> Result<Flow, DecodeError> {
        let original = self.original_zoned(report)?;
        let reply = match self.attribute(cta::TUPLE_REPLY) {
            Some(attribute) => heard(tuple::read(attribute, NAMING, report), report),
            None => None,
        };
        let zones = PerDirection { original: original.zone, reply: reply.and_then(|reply| reply.zone) };
        let mut flow = Flow::new(PerDirection {
            original: original.tuple,
            reply: reply.map_or_else(|| original.tuple.reversed(), |reply| reply.tuple),
        });
        let mut number = |number| self.attribute(number).and_then(|attribute| heard(attribute.be32(NAMING), report));
        flow.id = number(cta::ID).map(FlowId);
        flow.status = number(cta::STATUS).map(Status);
        flow.timeout = number(cta::TIMEOUT);
        flow.mark = number(cta::MARK).map(Mark);
        flow.uses = number(cta::USE);
        let zone = self.attribute(cta::ZONE).and_then(|attribute| heard(attribute.be16(NAMING), report));
        flow.zone = zone.map(Zone).or(zones.original).unwrap_or_default();
        if let Some(attribute) = self.attribute(cta::PROTOINFO) {
            flow.info = protocol_info::read(attribute, NAMING, report);
        }
        if let Some(attribute) = self.attribute(cta::LABELS) {
            flow.labels = heard(labels::read(attribute, NAMING).map(Labels), report);
        }
        if let Some(attribute) = self.attribute(cta::COUNTERS_ORIG) {
            flow.counters.original = counters::read(attribute, NAMING, report);
        }
        if let Some(attribute) = self.attribute(cta::COUNTERS_REPLY) {
            flow.counters.reply = counters::read(attribute, NAMING, report);
        }
        if let Some(attribute) = self.attribute(cta::TIMESTAMP) {
            (flow.started, flow.stopped) = timestamps::read(attribute, NAMING, report);
        }
        if zones != PerDirection::default() {
            flow.rare_mut().zones = zones;
        }
        // An unused SYN proxy has no information, and would cost an allocation for each entry that a request created.
        let synproxy = self.attribute(cta::SYNPROXY).map(|attribute| synproxy::read(attribute, NAMING, report));
        if let Some(synproxy) = synproxy.filter(|synproxy| !synproxy.is_unused()) {
            flow.rare_mut().synproxy = Some(synproxy);
        }
        if self.has_rare() {
            self.read_rare(flow.rare_mut(), report);
            // Drop attributes that were present but empty.
            flow.rare = flow.rare.filter(|rare| **rare != Rare::default());
        }
        if let Some(error) = self.broken() {
            report.odd(error);
        }
        Ok(flow)
    }

    fn has_rare(&self) -> bool {
        const RARE: [u16; 7] = [
            cta::HELP,
            cta::TUPLE_MASTER,
            cta::SEQ_ADJ_ORIG,
            cta::SEQ_ADJ_REPLY,
            cta::SECMARK,
            cta::SECCTX,
            cta::TIMESTAMP_EVENT,
        ];
        RARE.into_iter().any(|number| self.has(number)) || self.has_unknown()
    }

    #[inline(never)]
    fn read_rare<R: Report>(&self, rare: &mut Rare, report: &mut R) {
        if let Some(attribute) = self.attribute(cta::HELP) {
            let helper = helper::read(attribute, NAMING, report);
            rare.helper = helper.name.map(Into::into);
            rare.helper_info = helper.info.map(Into::into);
        }
        if let Some(attribute) = self.attribute(cta::SECCTX) {
            rare.security_context = security_context::read(attribute, NAMING, report).map(Into::into);
        }
        if let Some(attribute) = self.attribute(cta::SECMARK) {
            rare.secmark = heard(attribute.be32(NAMING), report);
        }
        if let Some(attribute) = self.attribute(cta::TUPLE_MASTER) {
            rare.master = heard(tuple::read(attribute, NAMING, report), report).map(|zoned| zoned.tuple);
        }
        if let Some(attribute) = self.attribute(cta::SEQ_ADJ_ORIG) {
            rare.sequence.original = Some(sequence_adjustment::read(attribute, NAMING, report));
        }
        if let Some(attribute) = self.attribute(cta::SEQ_ADJ_REPLY) {
            rare.sequence.reply = Some(sequence_adjustment::read(attribute, NAMING, report));
        }
        // The model has no field for the time of the event, so the attribute stays as bytes.
        let event_time = self.raw(cta::TIMESTAMP_EVENT).map(|payload| (cta::TIMESTAMP_EVENT, payload));
        rare.unknown = event_time
            .into_iter()
            .chain(self.unknown())
            .map(|(number, payload)| Unknown { number, payload: Vec::from(payload) })
            .collect();
    }
}
