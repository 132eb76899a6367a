//! An operator-named address set inside a filter: its name, and the networks that it had when the filter was made.
//!
//! A list of bans has a hundred thousand networks. The filter shares them and shows the name, so that neither a verdict nor
//! its record grows with the list.

use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;

use crate::{PrefixMap, SetName};

/// A set by its name, with what it held then. Two are equal where both are.
#[derive(Clone, PartialEq, Eq)]
pub struct NamedSet {
    /// What the operator calls it.
    pub name: SetName,
    /// Its networks, each with its value.
    pub networks: Arc<PrefixMap<String>>,
}

impl fmt::Debug for NamedSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} networks)", self.name, self.networks.len())
    }
}
