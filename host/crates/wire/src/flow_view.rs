//! A view of the attributes of one entry. It borrows, does not allocate, and does not interpret.
//!
//! The top level is walked once. The content of an attribute is read on demand. A getter returns `None` if the
//! attribute is absent or makes no sense; [`FlowView::oddities`] distinguishes the two cases.

use alloc::vec::Vec;

use ctwarden_model::{
    Counters, Flow, FlowId, Labels, Mark, PerDirection, ProtocolInfo, SequenceAdjustment, Status, SynProxy, Timestamp,
    Tuple, Zone,
};

use crate::attribute::{Attribute, Attributes, HEADER, Naming};
use crate::error::{DecodeError, Expected, Found, Path};
use crate::helper::Helper;
use crate::nat::NatRange;
use crate::nfnetlink_conntrack::{cta, cta_filter};
use crate::report::{Report, Silent, Within, heard};
use crate::tuple::ZonedTuple;
use crate::{
    counters, helper, labels, nat, protocol_info, security_context, sequence_adjustment, synproxy, timestamps, tuple,
};

/// Names of the top level.
pub(crate) const NAMING: Naming = cta::name;

/// One more than the highest known number.
const SLOTS: usize = cta::TIMESTAMP_EVENT as usize + 1;

/// The parts of a tuple that a dump filter compares (`CTA_FILTER`), as bits that no public kernel header defines
/// (`CTA_FILTER_F_*`, net/netfilter/nf_conntrack_netlink.c).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TupleFilterFlags {
    pub flags: PerDirection<Option<u32>>,
}

/// The attributes of one entry.
#[derive(Clone, Debug)]
pub struct FlowView<'a> {
    attributes: &'a [u8],
    /// Offset of the attributes in the message.
    offset: usize,
    /// Offset in `attributes` of the payload of each number, after its header; 0 if the attribute is absent.
    places: [u32; SLOTS],
    has_unknown: bool,
    /// Offset at which the walk ended early.
    broken_at: Option<u32>,
}

impl<'a> FlowView<'a> {
    /// Walks over the attributes. The first one begins at byte `offset` of the message.
    ///
    /// The first attribute of a number counts. The kernel's padding in front of 64-bit attributes may carry the number
    /// of another attribute (`CTA_TIMESTAMP_PAD` is `CTA_STATUS` at the top level).
    #[inline]
    pub(crate) fn new(attributes: &'a [u8], offset: usize) -> Self {
        let mut places = [0; SLOTS];
        let mut has_unknown = false;
        let mut walk = Attributes::new(attributes, 0);
        for attribute in walk.by_ref() {
            match places.get_mut(usize::from(attribute.number)) {
                Some(place) if attribute.number != 0 => {
                    if *place == 0 {
                        // A message is shorter than its 32-bit length can express.
                        *place = u32::try_from(attribute.offset.saturating_add(HEADER)).unwrap_or_default();
                    }
                }
                Some(_) | None => has_unknown = true,
            }
        }
        let broken_at = walk.broken().and_then(|error| u32::try_from(error.offset).ok());
        Self { attributes, offset, places, has_unknown, broken_at }
    }

    /// The attribute of this number.
    #[inline]
    pub(crate) fn attribute(&self, number: u16) -> Option<Attribute<'a>> {
        let begin = usize::try_from(*self.places.get(usize::from(number))?).ok()?.checked_sub(HEADER)?;
        Attributes::new(self.attributes.get(begin..)?, self.offset.saturating_add(begin)).next()
    }

    /// Whether the attribute of this number is present.
    #[inline]
    pub(crate) fn has(&self, number: u16) -> bool {
        self.places.get(usize::from(number)).is_some_and(|place| *place != 0)
    }

    /// Whether there are attributes of unknown numbers.
    #[inline]
    pub(crate) const fn has_unknown(&self) -> bool {
        self.has_unknown
    }

    /// Payload of the attribute of this number (`CTA_*`), unchanged from the message.
    #[must_use]
    pub fn raw(&self, number: u16) -> Option<&'a [u8]> {
        self.attribute(number).map(|attribute| attribute.payload)
    }

    fn decoded<T>(&self, number: u16, read: impl FnOnce(Attribute<'a>) -> Result<T, DecodeError>) -> Option<T> {
        self.attribute(number).and_then(|attribute| read(attribute).ok())
    }

    fn zoned_tuple(&self, number: u16) -> Option<ZonedTuple> {
        self.decoded(number, |attribute| tuple::read(attribute, NAMING, &mut Silent))
    }

    pub(crate) fn original_zoned<R: Report>(&self, report: &mut R) -> Result<ZonedTuple, DecodeError> {
        match self.attribute(cta::TUPLE_ORIG) {
            Some(attribute) => tuple::read(attribute, NAMING, report),
            None => Err(DecodeError {
                path: Path::MESSAGE,
                offset: self.offset,
                expected: Expected::Attribute(cta::name(cta::TUPLE_ORIG)),
                found: Found::Nothing,
            }),
        }
    }

    /// Tuple of the original direction (`CTA_TUPLE_ORIG`).
    ///
    /// # Errors
    /// The tuple is absent or makes no sense. The message then names no flow.
    pub fn original(&self) -> Result<Tuple, DecodeError> {
        self.original_zoned(&mut Silent).map(|zoned| zoned.tuple)
    }

    /// Tuple of the reply direction (`CTA_TUPLE_REPLY`).
    #[must_use]
    pub fn reply(&self) -> Option<Tuple> {
        self.zoned_tuple(cta::TUPLE_REPLY).map(|zoned| zoned.tuple)
    }

    /// Original tuple of the master (`CTA_TUPLE_MASTER`), whose helper expected this flow.
    #[must_use]
    pub fn master(&self) -> Option<Tuple> {
        self.zoned_tuple(cta::TUPLE_MASTER).map(|zoned| zoned.tuple)
    }

    /// Zones that apply to one direction only (`CTA_TUPLE_ZONE`).
    #[must_use]
    pub fn zones(&self) -> PerDirection<Option<Zone>> {
        PerDirection {
            original: self.zoned_tuple(cta::TUPLE_ORIG).and_then(|zoned| zoned.zone),
            reply: self.zoned_tuple(cta::TUPLE_REPLY).and_then(|zoned| zoned.zone),
        }
    }

    /// Zone of both directions (`CTA_ZONE`).
    #[must_use]
    pub fn zone(&self) -> Option<Zone> {
        self.decoded(cta::ZONE, |attribute| attribute.be16(NAMING).map(Zone))
    }

    /// Status bits of the entry (`CTA_STATUS`).
    #[must_use]
    pub fn status(&self) -> Option<Status> {
        self.decoded(cta::STATUS, |attribute| attribute.be32(NAMING).map(Status))
    }

    /// The status bits that a request covers (`CTA_STATUS_MASK`).
    #[must_use]
    pub fn status_mask(&self) -> Option<u32> {
        self.decoded(cta::STATUS_MASK, |attribute| attribute.be32(NAMING))
    }

    /// State of TCP, SCTP or DCCP (`CTA_PROTOINFO`).
    #[must_use]
    pub fn protocol_info(&self) -> Option<ProtocolInfo> {
        self.attribute(cta::PROTOINFO).and_then(|attribute| protocol_info::read(attribute, NAMING, &mut Silent))
    }

    /// Connection tracking helper (`CTA_HELP`).
    #[must_use]
    pub fn helper(&self) -> Option<Helper<'a>> {
        self.attribute(cta::HELP).map(|attribute| helper::read(attribute, NAMING, &mut Silent))
    }

    /// Source translation that a request asks for (`CTA_NAT_SRC`).
    #[must_use]
    pub fn source_nat(&self) -> Option<NatRange> {
        self.attribute(cta::NAT_SRC).map(|attribute| nat::read(attribute, NAMING, &mut Silent))
    }

    /// Destination translation that a request asks for (`CTA_NAT_DST`).
    #[must_use]
    pub fn destination_nat(&self) -> Option<NatRange> {
        self.attribute(cta::NAT_DST).map(|attribute| nat::read(attribute, NAMING, &mut Silent))
    }

    /// Seconds left until the entry expires (`CTA_TIMEOUT`).
    #[must_use]
    pub fn timeout(&self) -> Option<u32> {
        self.decoded(cta::TIMEOUT, |attribute| attribute.be32(NAMING))
    }

    /// Mark of the entry (`CTA_MARK`).
    #[must_use]
    pub fn mark(&self) -> Option<Mark> {
        self.decoded(cta::MARK, |attribute| attribute.be32(NAMING).map(Mark))
    }

    /// The bits of the mark that a request covers (`CTA_MARK_MASK`).
    #[must_use]
    pub fn mark_mask(&self) -> Option<u32> {
        self.decoded(cta::MARK_MASK, |attribute| attribute.be32(NAMING))
    }

    /// Packets and bytes of each direction (`CTA_COUNTERS_ORIG`, `CTA_COUNTERS_REPLY`).
    #[must_use]
    pub fn counters(&self) -> PerDirection<Option<Counters>> {
        let read = |number| self.attribute(number).and_then(|attribute| counters::read(attribute, NAMING, &mut Silent));
        PerDirection { original: read(cta::COUNTERS_ORIG), reply: read(cta::COUNTERS_REPLY) }
    }

    /// Reference count in the kernel (`CTA_USE`).
    #[must_use]
    pub fn uses(&self) -> Option<u32> {
        self.decoded(cta::USE, |attribute| attribute.be32(NAMING))
    }

    /// Id of the entry (`CTA_ID`).
    #[must_use]
    pub fn id(&self) -> Option<FlowId> {
        self.decoded(cta::ID, |attribute| attribute.be32(NAMING).map(FlowId))
    }

    /// Adjustment of TCP sequence numbers in each direction (`CTA_SEQ_ADJ_ORIG`, `CTA_SEQ_ADJ_REPLY`).
    #[must_use]
    pub fn sequence(&self) -> PerDirection<Option<SequenceAdjustment>> {
        let read =
            |number| self.attribute(number).map(|attribute| sequence_adjustment::read(attribute, NAMING, &mut Silent));
        PerDirection { original: read(cta::SEQ_ADJ_ORIG), reply: read(cta::SEQ_ADJ_REPLY) }
    }

    /// Old form of the security context (`CTA_SECMARK`).
    #[must_use]
    pub fn secmark(&self) -> Option<u32> {
        self.decoded(cta::SECMARK, |attribute| attribute.be32(NAMING))
    }

    /// Security context of the entry (`CTA_SECCTX`).
    #[must_use]
    pub fn security_context(&self) -> Option<&'a str> {
        self.attribute(cta::SECCTX).and_then(|attribute| security_context::read(attribute, NAMING, &mut Silent))
    }

    fn span(&self) -> timestamps::Span {
        self.attribute(cta::TIMESTAMP)
            .map_or((None, None), |attribute| timestamps::read(attribute, NAMING, &mut Silent))
    }

    /// Begin of the flow (`CTA_TIMESTAMP_START`).
    #[must_use]
    pub fn started(&self) -> Option<Timestamp> {
        self.span().0
    }

    /// End of the flow (`CTA_TIMESTAMP_STOP`).
    #[must_use]
    pub fn stopped(&self) -> Option<Timestamp> {
        self.span().1
    }

    /// Time of the event by the kernel's clock (`CTA_TIMESTAMP_EVENT`, Linux 6.14 and later).
    #[must_use]
    pub fn event_time(&self) -> Option<Timestamp> {
        self.decoded(cta::TIMESTAMP_EVENT, |attribute| attribute.be64(NAMING).map(Timestamp))
    }

    /// Labels of the entry (`CTA_LABELS`).
    #[must_use]
    pub fn labels(&self) -> Option<Labels> {
        self.decoded(cta::LABELS, |attribute| labels::read(attribute, NAMING).map(Labels))
    }

    /// The labels that a request covers (`CTA_LABELS_MASK`).
    #[must_use]
    pub fn labels_mask(&self) -> Option<Labels> {
        self.decoded(cta::LABELS_MASK, |attribute| labels::read(attribute, NAMING).map(Labels))
    }

    /// State of a SYN proxy (`CTA_SYNPROXY`).
    #[must_use]
    pub fn synproxy(&self) -> Option<SynProxy> {
        self.attribute(cta::SYNPROXY).map(|attribute| synproxy::read(attribute, NAMING, &mut Silent))
    }

    /// Parts of the tuples that a request filters by (`CTA_FILTER`).
    #[must_use]
    pub fn filter(&self) -> Option<TupleFilterFlags> {
        self.attribute(cta::FILTER).map(|attribute| read_filter(attribute, &mut Silent))
    }

    /// Top-level attributes, in order, whose numbers had no name in Linux when this code was written.
    pub fn unknown(&self) -> impl Iterator<Item = (u16, &'a [u8])> {
        let walk = if self.has_unknown { self.attributes } else { &[] };
        Attributes::new(walk, 0)
            .filter(|attribute| attribute.number == 0 || usize::from(attribute.number) >= SLOTS)
            .map(|attribute| (attribute.number, attribute.payload))
    }

    /// The error at the attribute header where the top-level walk ended early.
    pub(crate) fn broken(&self) -> Option<DecodeError> {
        let at = usize::try_from(self.broken_at?).ok()?;
        let mut walk = Attributes::new(self.attributes.get(at..)?, self.offset.saturating_add(at));
        walk.by_ref().for_each(drop);
        walk.broken()
    }

    /// The attributes that were skipped because they made no sense.
    #[must_use]
    pub fn oddities(&self) -> Vec<DecodeError> {
        let mut oddities = Vec::new();
        if let Err(error) = self.to_flow_telling(&mut oddities) {
            oddities.push(error);
        }
        for number in [cta::NAT_SRC, cta::NAT_DST] {
            if let Some(attribute) = self.attribute(number) {
                nat::read(attribute, NAMING, &mut oddities);
            }
        }
        if let Some(attribute) = self.attribute(cta::FILTER) {
            read_filter(attribute, &mut oddities);
        }
        for number in [cta::MARK_MASK, cta::STATUS_MASK] {
            if let Some(attribute) = self.attribute(number) {
                heard(attribute.be32(NAMING), &mut oddities);
            }
        }
        if let Some(attribute) = self.attribute(cta::LABELS_MASK) {
            heard(labels::read(attribute, NAMING), &mut oddities);
        }
        if let Some(attribute) = self.attribute(cta::TIMESTAMP_EVENT) {
            heard(attribute.be64(NAMING), &mut oddities);
        }
        oddities
    }

    /// Converts the entry to a value.
    ///
    /// # Errors
    /// The original tuple is absent or makes no sense. Any other odd attribute is skipped.
    #[inline]
    pub fn to_flow(&self) -> Result<Flow, DecodeError> {
        self.to_flow_telling(&mut Silent)
    }
}

fn read_filter<R: Report>(attribute: Attribute<'_>, report: &mut R) -> TupleFilterFlags {
    let mut report = Within { parent: NAMING(attribute.number), to: report };
    let mut filter = TupleFilterFlags::default();
    let mut parts = attribute.nested();
    for part in parts.by_ref() {
        match part.number {
            cta_filter::ORIG_FLAGS => filter.flags.original = heard(part.ne32(cta_filter::name), &mut report),
            cta_filter::REPLY_FLAGS => filter.flags.reply = heard(part.ne32(cta_filter::name), &mut report),
            _ => {}
        }
    }
    if let Some(error) = parts.broken() {
        report.odd(error);
    }
    filter
}
