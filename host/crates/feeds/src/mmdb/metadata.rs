//! The metadata at the end of a database: how large the tree is, and what the records are about.

use alloc::borrow::ToOwned;
use alloc::string::String;

use super::damage::Damage;
use super::data::{Data, Kind, Steps};
use super::tree::{Record, Tree};

/// The bytes before the metadata.
const MARKER: &[u8] = b"\xab\xcd\xefMaxMind.com";
/// The format allows no more bytes of metadata, the marker included.
pub const METADATA_BYTES_MAX: usize = 128 << 10;
/// Zeros between the tree and the data section.
pub(super) const SEPARATOR: usize = 16;
/// Metadata is small.
const STEPS: u64 = 1 << 16;

#[derive(Clone, Debug)]
pub(super) struct Metadata {
    kind: String,
    nodes: usize,
    record: Record,
    is_ipv6: bool,
    /// Where the data section begins and ends.
    data: (usize, usize),
}

/// Whether the end of a file is that of a database. [`METADATA_BYTES_MAX`] bytes suffice.
#[must_use]
pub fn has_metadata(end: &[u8]) -> bool {
    marker(end).is_some()
}

/// Whether the metadata at the end of a file are whole. If they are, and the file was written from its beginning to its
/// end, all of it is there.
#[must_use]
pub fn has_whole_metadata(end: &[u8]) -> bool {
    let metadata = marker(end).and_then(|at| end.get(at + MARKER.len()..));
    metadata.is_some_and(|metadata| Fields::of(metadata).is_ok())
}

fn marker(bytes: &[u8]) -> Option<usize> {
    let begin = bytes.len().saturating_sub(METADATA_BYTES_MAX);
    bytes.get(begin..)?.windows(MARKER.len()).rposition(|window| window == MARKER).map(|at| begin + at)
}

impl Metadata {
    /// The metadata of a file, if they fit the file.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Damage> {
        let end = marker(bytes).ok_or(Damage::NoMetadata)?;
        let fields = Fields::of(bytes.get(end + MARKER.len()..).unwrap_or_default())?;
        let version = fields.number("binary_format_major_version")?;
        if version != 2 {
            return Err(Damage::Version(version));
        }
        let record = match fields.number("record_size")? {
            24 => Record::Bits24,
            28 => Record::Bits28,
            32 => Record::Bits32,
            _ => return Err(Damage::Broken("its record_size is not 24, 28 or 32")),
        };
        let is_ipv6 = match fields.number("ip_version")? {
            4 => false,
            6 => true,
            _ => return Err(Damage::Broken("its ip_version is not 4 or 6")),
        };
        let nodes = usize::try_from(fields.number("node_count")?).unwrap_or(usize::MAX);
        let begin = nodes.saturating_mul(record.node_bytes()).saturating_add(SEPARATOR);
        if begin > end {
            return Err(Damage::Broken("its search tree is longer than the file"));
        }
        Ok(Self { kind: fields.text("database_type")?, nodes, record, is_ipv6, data: (begin, end) })
    }

    /// The type of the database, such as `GeoLite2-Country`.
    pub(super) fn kind(&self) -> &str {
        &self.kind
    }

    pub(super) fn data<'d>(&self, bytes: &'d [u8]) -> Data<'d> {
        let (begin, end) = self.data;
        Data::new(bytes.get(begin..end).unwrap_or_default())
    }

    pub(super) fn tree<'d>(&self, bytes: &'d [u8]) -> Tree<'d> {
        let (begin, end) = self.data;
        let tree = bytes.get(..begin.saturating_sub(SEPARATOR)).unwrap_or_default();
        Tree::new(tree, self.nodes, self.record, self.is_ipv6, end.saturating_sub(begin))
    }
}

/// The map of the metadata.
struct Fields<'d>(Data<'d>);

impl<'d> Fields<'d> {
    fn of(bytes: &'d [u8]) -> Result<Self, Damage> {
        let fields = Self(Data::new(bytes));
        // Skipping the map shows that no part of it is cut off.
        fields
            .0
            .skip(0, &mut Steps::few(STEPS))
            .and_then(|end| if end <= bytes.len() { Ok(fields) } else { Err(Damage::NoMetadata) })
    }

    fn field(&self, name: &str) -> Result<super::data::Value, Damage> {
        let steps = &mut Steps::few(STEPS);
        let map = self.0.value(0, steps)?;
        if map.kind != Kind::Map {
            return Err(Damage::Broken("its metadata are not a map"));
        }
        let place = self.0.of_key(map, name.as_bytes(), steps)?;
        self.0.value(place.ok_or(Damage::Broken("its metadata lack a field"))?, steps)
    }

    fn number(&self, name: &str) -> Result<u64, Damage> {
        let value = self.field(name)?;
        let number = (value.kind == Kind::Unsigned).then(|| self.0.unsigned(value)).transpose()?;
        number.and_then(|number| number.try_into().ok()).ok_or(Damage::Broken("its metadata have a wrong number"))
    }

    fn text(&self, name: &str) -> Result<String, Damage> {
        let value = self.field(name)?;
        let text = (value.kind == Kind::Text).then(|| self.0.content(value)).transpose()?;
        let text = text.and_then(|text| core::str::from_utf8(text).ok());
        Ok(text.ok_or(Damage::Broken("its metadata have a wrong text"))?.to_owned())
    }
}
