//! MaxMind databases: a search tree over addresses, and a record for each network
//! (<https://maxmind.github.io/MaxMind-DB/>).
//!
//! The whole database is read once, so that nothing in it can fail or take long afterwards. Every step is counted: a tree
//! whose branches meet again has more paths than any machine can walk, and pointers can make small records expensive.

mod damage;
mod data;
mod field;
mod joining;
mod metadata;
mod outline;
mod records;
mod tree;

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use ctwarden_model::{ListCounts, Prefix, PrefixMap};

pub use self::field::FieldPath;
pub use self::metadata::{METADATA_BYTES_MAX, has_metadata, has_whole_metadata};

use self::damage::Damage;
use self::data::{Data, Steps};
use self::joining::Joining;
use self::metadata::Metadata;
use self::outline::Outline;
use self::records::{Found, Records};
use crate::excerpt::excerpt;
use crate::fault::Fault;
use crate::finding::Finding;
use crate::format::Format;
use crate::list::List;
use crate::reading::Reading;

/// Values that a message shows.
const VALUES_SHOWN: usize = 8;

/// Why the walk through the tree ended early.
enum Stop {
    Damage(Damage),
    /// The field of this network has other fields.
    Container(Option<Prefix>),
    /// Enough was seen for a message.
    Enough,
}

impl From<Damage> for Stop {
    fn from(damage: Damage) -> Self {
        Self::Damage(damage)
    }
}

/// Returns the networks of a database, with the value of the field that `reading` names.
pub(crate) fn read(bytes: &[u8], reading: &Reading) -> Result<List, Finding> {
    if let Some(key) = reading.key_of_text() {
        let fix = "goes with lists of text; remove the key";
        return Err(Finding::whole(format!("the file is a MaxMind database, and {key} {fix}")));
    }
    let metadata = Metadata::read(bytes)?;
    let data = metadata.data(bytes);
    Database { metadata, data, bytes, reading }.read()
}

struct Database<'d, 'r> {
    metadata: Metadata,
    data: Data<'d>,
    bytes: &'d [u8],
    reading: &'r Reading,
}

impl Database<'_, '_> {
    fn read(&self) -> Result<List, Finding> {
        let Some(field) = self.reading.field.clone().or_else(|| FieldPath::of_kind(self.metadata.kind())) else {
            return self.without_field();
        };
        let mut steps = Steps::of(&self.data);
        let mut records = Records::new(&self.data, &field, &self.reading.only);
        let mut joining = Joining::default();
        let mut entries = 0_u64;
        let walked = self.metadata.tree(self.bytes).walk(&mut |network, offset| {
            match records.find(offset, &mut steps)? {
                Found::Value(value) => {
                    entries += 1;
                    joining.add(network, value)?;
                }
                Found::Nothing => {}
                Found::Container => return Err(Stop::Container(network.prefix())),
            }
            Ok(())
        });
        match walked {
            Ok(()) | Err(Stop::Enough) => {}
            Err(Stop::Damage(damage)) => return Err(damage.into()),
            Err(Stop::Container(network)) => {
                let place = network.filter(|_| !self.reading.secret).map(|network| format!(" of {network}"));
                let what = format!("the field {field}{} is neither a text nor a number", place.unwrap_or_default());
                return Err(self.wrong_field(&what, records.first()));
            }
        }
        if records.has_records() && !records.has_field() {
            let what = format!("no record of this database{} has the field {field}", self.kind());
            return Err(self.wrong_field(&what, records.first()));
        }
        if entries == 0 && !self.reading.may_be_empty {
            return Err(self.empty(&records));
        }
        let networks = joining.into_networks();
        self.check_width(&networks)?;
        let values = records.values();
        let networks =
            networks.into_iter().filter_map(|(network, value)| Some((network, Arc::clone(values.get(value)?))));
        let counts = ListCounts { lines: 0, entries, bad: 0 };
        Ok(self.list(networks.collect(), counts, self.note(&records)))
    }

    fn list(&self, networks: PrefixMap<Arc<str>>, counts: ListCounts, note: Option<Finding>) -> List {
        List::new(Format::Mmdb, networks, BTreeMap::new(), counts, Vec::new(), note)
    }

    /// Without a field, only a database without any record can be read.
    fn without_field(&self) -> Result<List, Finding> {
        let mut first = Vec::new();
        let walked = self.metadata.tree(self.bytes).walk(&mut |_, offset| {
            first.push(offset);
            if first.len() < outline::RECORDS { Ok(()) } else { Err(Stop::Enough) }
        });
        if let Err(Stop::Damage(damage)) = walked {
            return Err(damage.into());
        }
        match (first.is_empty(), self.reading.may_be_empty) {
            (true, true) => Ok(self.list(PrefixMap::new(), ListCounts::default(), None)),
            (true, false) => Err(no_network()),
            (false, _) => {
                let what = format!("a database{} has no field that ctwarden takes by default", self.kind());
                Err(self.wrong_field(&what, &first))
            }
        }
    }

    /// The type of the database, for a message.
    fn kind(&self) -> String {
        if self.reading.secret { String::new() } else { format!(" of type \"{}\"", excerpt(self.metadata.kind())) }
    }

    /// Says what is wrong with the field, and which fields the first records have.
    fn wrong_field(&self, what: &str, first: &[usize]) -> Finding {
        if self.reading.secret {
            let hidden = "the fields are not shown because not every user may read the file";
            return Finding::whole(format!("{what}; write one of its fields, field = \"…\" ({hidden})"));
        }
        let mut outline = Outline::new(&self.data);
        first.iter().for_each(|offset| outline.add(*offset));
        let paths = outline.paths();
        let fix = match paths.first() {
            Some(first) => format!(
                "write one of its fields, for example field = \"{first}\" (the first records have {})",
                paths.join(", ")
            ),
            None => "its first records have no field with a text or a number; use another database".to_string(),
        };
        Finding::whole(format!("{what}; {fix}"))
    }

    fn empty(&self, records: &Records<'_, '_>) -> Finding {
        if !records.has_records() {
            return no_network();
        }
        let some: Vec<String> = records.values().iter().take(VALUES_SHOWN).map(|value| excerpt(value)).collect();
        let some = if self.reading.secret { String::new() } else { format!(" (others have {})", some.join(", ")) };
        let fix = "correct the key, or write allow-empty = true if the set may have none";
        Finding::whole(format!("no network has a value that the key only names{some}; {fix}"))
    }

    fn check_width(&self, networks: &[(Prefix, usize)]) -> Result<(), Finding> {
        networks.iter().try_for_each(|(network, _)| match self.reading.shortest_of_databases.check(&[*network]) {
            Err(Fault::Wide { length, key }) => {
                let network = if self.reading.secret { "a network".to_string() } else { network.to_string() };
                let fix = "lower that key if the database is right";
                Err(Finding::whole(format!("{network} is wider than /{length}, the set's {key}; {fix}")))
            }
            Ok(()) | Err(_) => Ok(()),
        })
    }

    /// A value of the key `only` that no network has may be misspelt.
    fn note(&self, records: &Records<'_, '_>) -> Option<Finding> {
        let missing: Vec<String> = records.missing().map(|value| format!("\"{}\"", excerpt(value))).collect();
        let fix = "correct it if it is misspelt";
        let what = || format!("the key only names {}, which no network has; {fix}", missing.join(" and "));
        (!missing.is_empty()).then(|| Finding::whole(what()))
    }
}

fn no_network() -> Finding {
    let fix = "use another one, or write allow-empty = true if it may have none";
    Finding::whole(format!("the database has no network; {fix}"))
}
