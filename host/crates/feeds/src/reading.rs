//! How a list is read: what the operator configured for the set.

use alloc::string::String;
use alloc::vec::Vec;

use crate::column::Column;
use crate::format::Format;
use crate::mmdb::FieldPath;
use crate::shortest::Shortest;

/// How a list is read. The default recognises the format and refuses a list with a mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    pub(crate) shortest: Shortest,
    pub(crate) format: Option<Format>,
    pub(crate) address: Option<Column>,
    pub(crate) value: Option<Column>,
    pub(crate) lists: Vec<String>,
    pub(crate) skips: bool,
    pub(crate) may_be_empty: bool,
    pub(crate) secret: bool,
    pub(crate) field: Option<FieldPath>,
    pub(crate) only: Vec<String>,
    pub(crate) shortest_of_databases: Shortest,
}

impl Default for Reading {
    fn default() -> Self {
        Self::new(Shortest::default())
    }
}

impl Reading {
    /// Reads with these shortest prefixes.
    #[must_use]
    pub fn new(shortest: Shortest) -> Self {
        Self {
            shortest,
            format: None,
            address: None,
            value: None,
            lists: Vec::new(),
            skips: false,
            may_be_empty: false,
            secret: false,
            field: None,
            only: Vec::new(),
            shortest_of_databases: Shortest { ipv4: 0, ipv6: 0 },
        }
    }

    /// Reads the list as this format, whatever it looks like.
    #[must_use]
    pub const fn format(mut self, format: Format) -> Self {
        self.format = Some(format);
        self
    }

    /// Takes the addresses from this column, or from this field of each object.
    #[must_use]
    pub fn address_column(mut self, column: Column) -> Self {
        self.address = Some(column);
        self
    }

    /// Takes the values from this column, or from this field of each object.
    #[must_use]
    pub fn value_column(mut self, column: Column) -> Self {
        self.value = Some(column);
        self
    }

    /// Takes only the sets of these names, if the file has several. Without names, it takes all sets.
    #[must_use]
    pub fn lists(mut self, names: Vec<String>) -> Self {
        self.lists = names;
        self
    }

    /// Whether bad lines are skipped and counted. Otherwise, one bad line refuses the list.
    #[must_use]
    pub const fn skip_bad_lines(mut self, skips: bool) -> Self {
        self.skips = skips;
        self
    }

    /// Whether a list without any entry is valid.
    #[must_use]
    pub const fn allow_empty(mut self, may_be_empty: bool) -> Self {
        self.may_be_empty = may_be_empty;
        self
    }

    /// Whether messages must not show text of the file, because not every user may read it.
    #[must_use]
    pub const fn secret(mut self, secret: bool) -> Self {
        self.secret = secret;
        self
    }

    /// Takes the values from this field of each record of a database.
    #[must_use]
    pub fn field(mut self, field: FieldPath) -> Self {
        self.field = Some(field);
        self
    }

    /// Takes only the networks of a database whose value is one of these. Without values, it takes all networks.
    #[must_use]
    pub fn only(mut self, values: Vec<String>) -> Self {
        self.only = values;
        self
    }

    /// Refuses a database with a wider network. By default, a database may have networks of any width, because it says
    /// how addresses are allocated.
    #[must_use]
    pub const fn shortest_of_databases(mut self, shortest: Shortest) -> Self {
        self.shortest_of_databases = shortest;
        self
    }

    /// Whether only a database can be read in this way.
    #[must_use]
    pub fn is_of_databases(&self) -> bool {
        self.format == Some(Format::Mmdb) || self.field.is_some() || !self.only.is_empty()
    }

    /// The key of a set that only lists of text have, if one is given.
    pub(crate) fn key_of_text(&self) -> Option<&'static str> {
        let keys = [
            ("address-column", self.address.is_some()),
            ("value-column", self.value.is_some()),
            ("list", !self.lists.is_empty()),
            ("on-bad-line", self.skips),
        ];
        keys.into_iter().find_map(|(key, is_given)| is_given.then_some(key))
    }

    /// Whether the set of this name is read.
    pub(crate) fn takes(&self, name: &str) -> bool {
        self.lists.is_empty() || self.lists.iter().any(|list| list == name)
    }
}
