//! Names of connection label bits, as `connlabel.conf` gives them.
//!
//! People write and read labels by name, while the kernel knows only bits.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};

use ctwarden_model::Labels;

/// Bits of `CTA_LABELS` and their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelMap {
    names: BTreeMap<u8, String>,
}

/// Number of label bits of an entry (`NF_CT_LABELS_MAX_SIZE` bytes).
const BITS: u8 = 128;

impl LabelMap {
    /// Reads the text of a `connlabel.conf`: a number and a name on each line, `#` starts a comment. Other lines are
    /// skipped, as in conntrack. If a bit has two names, or a name two bits, the first one counts.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut map = Self::default();
        for line in text.lines() {
            let line = line.split('#').next().unwrap_or_default();
            let mut words = line.split_whitespace();
            let (Some(number), Some(name)) = (words.next(), words.next()) else { continue };
            let Some(bit) = number.parse().ok().filter(|bit| *bit < BITS) else { continue };
            if map.bit(name).is_none() {
                map.names.entry(bit).or_insert_with(|| name.to_string());
            }
        }
        map
    }

    /// The name of a bit.
    #[must_use]
    pub fn name(&self, bit: u8) -> Option<&str> {
        self.names.get(&bit).map(String::as_str)
    }

    /// The names of those bits that have one, lowest first.
    pub(crate) fn names_of(&self, labels: Labels) -> impl Iterator<Item = &str> {
        self.names.iter().filter(move |(bit, _)| labels.0 >> **bit & 1 == 1).map(|(_, name)| name.as_str())
    }

    /// The bit of a name.
    #[must_use]
    pub fn bit(&self, name: &str) -> Option<u8> {
        self.names.iter().find(|(_, known)| known.as_str() == name).map(|(bit, _)| *bit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_number_and_a_name() {
        let map =
            LabelMap::parse("# labels\n0\teth0-in\n\n127 last # the highest\n128 none\nx y\n3\n0 again\n4 eth0-in\n");
        assert_eq!(map.name(0), Some("eth0-in"));
        assert_eq!(map.bit("last"), Some(127));
        assert_eq!((map.name(4), map.bit("again"), map.bit("none"), map.name(3)), (None, None, None, None));
    }
}
