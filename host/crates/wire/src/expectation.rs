//! An expectation on the wire: a flow that a helper waits for.
//!
//! Rare beside entries, so that the view keeps its attributes and reads them when asked.

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
    /// Header of the message.
    pub header: Header,
    /// Address family (`nfgen_family`).
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

    /// What an *event* tells; rows of a dump look like updates.
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

/// NAT that an expected flow will get (`CTA_EXPECT_NAT`).
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

    /// Original tuple of the flow that the helper works for (`CTA_EXPECT_MASTER`).
    ///
    /// # Errors
    /// Where it is absent or makes no sense.
    pub fn master(&self) -> Result<Tuple, DecodeError> {
        self.tuple(cta_expect::MASTER)
    }

    /// The expected flow (`CTA_EXPECT_TUPLE`).
    ///
    /// # Errors
    /// Where it is absent or makes no sense.
    pub fn expected(&self) -> Result<Tuple, DecodeError> {
        self.tuple(cta_expect::TUPLE)
    }

    /// Where the expected tuple counts (`CTA_EXPECT_MASK`).
    ///
    /// # Errors
    /// Where it is absent or makes no sense.
    pub fn mask(&self) -> Result<Tuple, DecodeError> {
        self.tuple(cta_expect::MASK)
    }

    /// Seconds left (`CTA_EXPECT_TIMEOUT`).
    #[must_use]
    pub fn timeout(&self) -> Option<u32> {
        self.number(cta_expect::TIMEOUT)
    }

    /// Id (`CTA_EXPECT_ID`).
    #[must_use]
    pub fn id(&self) -> Option<FlowId> {
        self.number(cta_expect::ID).map(FlowId)
    }

    /// Zone (`CTA_EXPECT_ZONE`).
    #[must_use]
    pub fn zone(&self) -> Option<Zone> {
        self.attribute(cta_expect::ZONE).and_then(|attribute| attribute.be16(NAMING).ok().map(Zone))
    }

    /// `NF_CT_EXPECT_*` bits (`CTA_EXPECT_FLAGS`).
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

    /// Function that is called at the match (`CTA_EXPECT_FN`).
    #[must_use]
    pub fn function(&self) -> Option<&'a str> {
        self.text(cta_expect::FN)
    }

    /// NAT that the expected flow will get (`CTA_EXPECT_NAT`): direction number and tuple.
    #[must_use]
    pub fn nat(&self) -> Option<(u32, Tuple)> {
        self.attribute(cta_expect::NAT).and_then(|attribute| read_nat(attribute, &mut Silent))
    }

    /// The expectation as a value.
    ///
    /// # Errors
    /// As [`ExpectationView::to_expectation_telling`].
    pub fn to_expectation(&self) -> Result<Expectation, DecodeError> {
        self.to_expectation_telling(&mut Silent)
    }

    /// The expectation as a value; `report` hears of what was skipped.
    ///
    /// # Errors
    /// Where the expected tuple or the master's is absent or makes no sense. A mask that does stands for all ones.
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

/// The mask under which all of the tuple counts.
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
