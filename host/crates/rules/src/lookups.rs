//! Which addresses of a flow the rules look up in which sets. The caller looks them up for a whole batch at once.

use crate::field::Address;

/// One address of every flow, looked up in one set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// Name of the set.
    pub set: String,
    /// Which address of the flow.
    pub address: Address,
}

/// All lookups of the rules, each once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lookups(pub(crate) Vec<Lookup>);

impl Lookups {
    /// Returns the index of a lookup, which is added if it is new.
    pub(crate) fn add(&mut self, set: String, address: Address) -> usize {
        let lookup = Lookup { set, address };
        match self.0.iter().position(|known| *known == lookup) {
            Some(index) => index,
            None => {
                self.0.push(lookup);
                self.0.len().saturating_sub(1)
            }
        }
    }
}
