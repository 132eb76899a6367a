//! Decides which numbers of packets and bytes are the counters of a direction.
//!
//! The kernel and the command write both counters after the tuple of their direction. Some vendors write a total of
//! both directions among the fields of the entry (`bytes=529536`, after the mark). A total belongs to no direction.

use ctwarden_model::{Counters, PerDirection};

use super::super::error::LineProblem;
use super::field::{U64, number};

/// The position in the line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    AtTuple,
    /// After a tuple and an unknown field.
    InDoubt,
    /// Among the fields of the entry.
    Elsewhere,
}

/// Numbers of a direction.
#[derive(Clone, Copy, Debug, Default)]
struct Pair {
    packets: Option<u64>,
    bytes: Option<u64>,
}

/// The counters that were read so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counted {
    pairs: PerDirection<Pair>,
    tuples: u8,
    place: Place,
}

impl Counted {
    pub(super) const fn enter(&mut self) {
        self.tuples = self.tuples.saturating_add(1);
        self.place = Place::AtTuple;
    }

    /// Notes a field that is no part of a tuple.
    pub(super) const fn leave(&mut self) {
        self.place = Place::Elsewhere;
    }

    /// Notes an unknown field.
    pub(super) fn doubt(&mut self) {
        if self.place == Place::AtTuple {
            self.place = Place::InDoubt;
        }
    }

    /// The pair that a number at this position belongs to, if any. After an unknown field the number may be a total,
    /// unless the other direction has its own.
    fn pair(&mut self) -> Option<&mut Pair> {
        let of_reply = self.tuples > 1;
        let is_of_tuple = match self.place {
            Place::AtTuple => true,
            Place::InDoubt => !of_reply || self.pairs.original.bytes.is_some(),
            Place::Elsewhere => false,
        };
        is_of_tuple.then_some(if of_reply { &mut self.pairs.reply } else { &mut self.pairs.original })
    }

    pub(super) fn packets(&mut self, value: &str) -> Result<(), LineProblem> {
        let packets = number("packets", U64, value)?;
        if let Some(pair) = self.pair().filter(|pair| pair.packets.is_none()) {
            pair.packets = Some(packets);
        }
        Ok(())
    }

    /// A number of bytes without a number of packets is a total.
    pub(super) fn bytes(&mut self, value: &str) -> Result<(), LineProblem> {
        let bytes = number("bytes", U64, value)?;
        if let Some(pair) = self.pair().filter(|pair| pair.packets.is_some() && pair.bytes.is_none()) {
            pair.bytes = Some(bytes);
        }
        Ok(())
    }

    /// The counters of both directions.
    pub(super) fn counters(&self) -> Result<PerDirection<Option<Counters>>, LineProblem> {
        let counters = |pair: Pair| match (pair.packets, pair.bytes) {
            (Some(packets), Some(bytes)) => Ok(Some(Counters { packets, bytes })),
            (Some(_), None) => Err(LineProblem::Missing("bytes= behind packets=")),
            (None, _) => Ok(None),
        };
        Ok(PerDirection { original: counters(self.pairs.original)?, reply: counters(self.pairs.reply)? })
    }
}
