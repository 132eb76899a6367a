//! An expectation in wire format: a flow that a helper expects.
//!
//! Expectations are rare compared with entries, so the view keeps the attributes and reads them on demand.

use ctwarden_model::{EventKind, Expectation, FlowId, Layer4, Tuple, Zone};

use crate::attribute::{Attribute, Attributes, Naming};
use crate::error::{DecodeError, Expected, Found, Path};
use crate::message::{Flags, GENERIC, HEADER, Header, Message};
use crate::nfnetlink_conntrack::{cta_expect, cta_expect_nat, ctnl_exp};
use crate::report::{Report, Silent, Within, heard};
use crate::tuple;

const NAMING: Naming = cta_expect::name;

/// A message about an expectation.
#[derive(Clone, Debug)]
pub struct ExpectationMessage<'a> {
    pub header: Header,
    /// Address family, an `AF_*` number (`nfgen_family`).
    pub family: u8,
    pub expectation: ExpectationView<'a>,
}

impl<'a> ExpectationMessage<'a> {
    pub(crate) fn read(message: &Message<'a>) -> Result<Self, DecodeError> {
        let (generic, attributes) = message.generic()?;
        Ok(Self {
            header: message.header,
            family: generic.family,
            expectation: ExpectationView { attributes, offset: HEADER + GENERIC },
        })
    }

    /// Returns the kind of an *event*. Rows of a dump look like updates.
    #[must_use]
    pub const fn kind(&self) -> EventKind {
        match self.header.kind & 0xff {
            ctnl_exp::DELETE => EventKind::Destroy,
            ctnl_exp::NEW if self.header.flags.contains(Flags::CREATE) => EventKind::New,
            ctnl_exp::NEW => EventKind::Update,
            _ => EventKind::Row,
        }
    }
}

/// The NAT of an expected flow (`CTA_EXPECT_NAT`).
type Nat = (u32, Tuple);

/// The attributes of one expectation.
#[derive(Clone, Debug)]
pub struct ExpectationView<'a> {
    attributes: &'a [u8],
    offset: usize,
}

impl<'a> ExpectationView<'a> {
    fn attribute(&self, number: u16) -> Option<Attribute<'a>> {
        Attributes::new(self.attributes, self.offset).find(|attribute| attribute.number == number)
    }

    fn tuple(&self, number: u16) -> Result<Tuple, DecodeError> {
        match self.attribute(number) {
            Some(attribute) => tuple::read(attribute, NAMING, &mut Silent).map(|zoned| zoned.tuple),
            None => Err(DecodeError {
                path: Path::MESSAGE,
                offset: self.offset,
                expected: Expected::Attribute(NAMING(number)),
                found: Found::Nothing,
            }),
        }
    }

    fn number(&self, number: u16) -> Option<u32> {
        self.attribute(number).and_then(|attribute| attribute.be32(NAMING).ok())
    }

    fn text(&self, number: u16) -> Option<&'a str> {
        self.attribute(number).and_then(|attribute| attribute.text(NAMING).ok())
    }

    /// Original tuple of the master (`CTA_EXPECT_MASTER`), the flow for which the helper created the expectation.
    ///
    /// # Errors
    /// The tuple is absent or makes no sense.
    pub fn master(&self) -> Result<Tuple, DecodeError> {
        self.tuple(cta_expect::MASTER)
    }

    /// Tuple of the expected flow (`CTA_EXPECT_TUPLE`).
    ///
    /// # Errors
    /// The tuple is absent or makes no sense.
    pub fn expected(&self) -> Result<Tuple, DecodeError> {
        self.tuple(cta_expect::TUPLE)
    }

    /// Mask of the expected tuple (`CTA_EXPECT_MASK`): the bits that count.
    ///
    /// # Errors
    /// The mask is absent or makes no sense.
    pub fn mask(&self) -> Result<Tuple, DecodeError> {
        self.tuple(cta_expect::MASK)
    }

    /// Seconds left until the expectation expires (`CTA_EXPECT_TIMEOUT`).
    #[must_use]
    pub fn timeout(&self) -> Option<u32> {
        self.number(cta_expect::TIMEOUT)
    }

    /// Id of the expectation (`CTA_EXPECT_ID`).
    #[must_use]
    pub fn id(&self) -> Option<FlowId> {
        self.number(cta_expect::ID).map(FlowId)
    }

    /// Zone of the expectation (`CTA_EXPECT_ZONE`).
    #[must_use]
    pub fn zone(&self) -> Option<Zone> {
        self.attribute(cta_expect::ZONE).and_then(|attribute| attribute.be16(NAMING).ok().map(Zone))
    }

    /// Flags of the expectation, as `NF_CT_EXPECT_*` bits (`CTA_EXPECT_FLAGS`).
    #[must_use]
    pub fn flags(&self) -> Option<u32> {
        self.number(cta_expect::FLAGS)
    }

    /// Class within the helper (`CTA_EXPECT_CLASS`).
    #[must_use]
    pub fn class(&self) -> Option<u32> {
        self.number(cta_expect::CLASS)
    }

    /// Name of the helper (`CTA_EXPECT_HELP_NAME`).
    #[must_use]
    pub fn helper(&self) -> Option<&'a str> {
        self.text(cta_expect::HELP_NAME)
    }

    /// Function that the kernel calls when a flow matches (`CTA_EXPECT_FN`).
    #[must_use]
    pub fn function(&self) -> Option<&'a str> {
        self.text(cta_expect::FN)
    }

    /// NAT of the expected flow (`CTA_EXPECT_NAT`): direction number and tuple.
    #[must_use]
    pub fn nat(&self) -> Option<(u32, Tuple)> {
        self.attribute(cta_expect::NAT).and_then(|attribute| read_nat(attribute, &mut Silent))
    }

    /// Converts the expectation to a value.
    ///
    /// # Errors
    /// As [`ExpectationView::to_expectation_telling`].
    pub fn to_expectation(&self) -> Result<Expectation, DecodeError> {
        self.to_expectation_telling(&mut Silent)
    }

    /// Converts the expectation to a value, and passes each skipped attribute to `report`.
    ///
    /// # Errors
    /// The expected tuple or the master's tuple is absent or makes no sense. A mask that is absent or makes no sense is
    /// replaced by all ones.
    pub fn to_expectation_telling<R: Report>(&self, report: &mut R) -> Result<Expectation, DecodeError> {
        let tuple = self.expected()?;
        let master = self.master()?;
        let mask = heard(self.mask(), report).unwrap_or_else(|| ones(&tuple));
        let mut expectation = Expectation {
            id: None,
            zone: Zone(0),
            master,
            tuple,
            mask,
            timeout: None,
            flags: None,
            class: None,
            helper: None,
            function: None,
            nat: None,
        };
        let mut walk = Attributes::new(self.attributes, self.offset);
        for attribute in walk.by_ref() {
            match attribute.number {
                cta_expect::TIMEOUT => expectation.timeout = heard(attribute.be32(NAMING), report),
                cta_expect::ID => expectation.id = heard(attribute.be32(NAMING).map(FlowId), report),
                cta_expect::HELP_NAME => {
                    expectation.helper = heard(attribute.text(NAMING), report).map(Into::into);
                }
                cta_expect::ZONE => {
                    expectation.zone = heard(attribute.be16(NAMING).map(Zone), report).unwrap_or_default();
                }
                cta_expect::FLAGS => expectation.flags = heard(attribute.be32(NAMING), report),
                cta_expect::CLASS => expectation.class = heard(attribute.be32(NAMING), report),
                cta_expect::FN => expectation.function = heard(attribute.text(NAMING), report).map(Into::into),
                cta_expect::NAT => expectation.nat = read_nat(attribute, report),
                _ => {}
            }
        }
        if let Some(error) = walk.broken() {
            report.odd(error);
        }
        Ok(expectation)
    }
}

fn read_nat<R: Report>(attribute: Attribute<'_>, report: &mut R) -> Option<Nat> {
    let naming: Naming = cta_expect_nat::name;
    let mut direction = None;
    let mut tuple = None;
    let mut parts = attribute.nested();
    let mut within = Within { parent: NAMING(attribute.number), to: &mut *report };
    for part in parts.by_ref() {
        match part.number {
            cta_expect_nat::DIR => direction = heard(part.be32(naming), &mut within),
            cta_expect_nat::TUPLE => {
                let read = tuple::read(part, naming, &mut within);
                tuple = heard(read, &mut within).map(|zoned| zoned.tuple);
            }
            _ => {}
        }
    }
    if let Some(error) = parts.broken() {
        within.odd(error);
    }
    let missing = |part| attribute.error(NAMING, Expected::Attribute(cta_expect_nat::name(part)), Found::Nothing);
    match (direction, tuple) {
        (Some(direction), Some(tuple)) => Some((direction, tuple)),
        (None, _) => heard(Err(missing(cta_expect_nat::DIR)), report),
        (Some(_), None) => heard(Err(missing(cta_expect_nat::TUPLE)), report),
    }
}

/// The mask under which the whole tuple counts.
fn ones(tuple: &Tuple) -> Tuple {
    use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    let address = |address| match address {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::BROADCAST),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from_bits(u128::MAX)),
    };
    let layer4 = match tuple.layer4 {
        Layer4::None => Layer4::None,
        Layer4::Ports { .. } => Layer4::Ports { src: u16::MAX, dst: u16::MAX },
        Layer4::Keys { .. } => Layer4::Keys { src: u16::MAX, dst: u16::MAX },
        Layer4::Icmp { .. } => Layer4::Icmp { id: u16::MAX, kind: u8::MAX, code: u8::MAX },
    };
    Tuple { src: address(tuple.src), dst: address(tuple.dst), protocol: tuple.protocol, layer4 }
}
