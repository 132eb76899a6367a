//! The sets of a file with several sets, and whether the wanted ones are among them.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::excerpt::excerpt;
use crate::finding::Finding;
use crate::reading::Reading;

#[derive(Debug, Default)]
pub(crate) struct SeenLists(BTreeSet<String>);

impl SeenLists {
    pub(crate) fn note(&mut self, name: &str) {
        if !self.0.contains(name) {
            self.0.insert(name.to_owned());
        }
    }

    /// Fails if a wanted set is not in the file: a misspelt name must not read as an empty set.
    pub(crate) fn check(&self, reading: &Reading) -> Result<(), Finding> {
        let Some(missing) = reading.lists.iter().find(|wanted| !self.0.contains(*wanted)) else { return Ok(()) };
        let known = match (reading.secret, self.0.is_empty()) {
            (true, _) => String::new(),
            (false, true) => " among none at all".to_owned(),
            (false, false) => format!(" among {}", excerpt(&self.0.iter().cloned().collect::<Vec<_>>().join(", "))),
        };
        Err(Finding::at(1, 1, &format!("there is no set \"{missing}\"{known}; correct the key list")))
    }
}
