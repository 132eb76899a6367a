//! An address set inside a filter: its name, and its networks at the time when the filter was made.
//!
//! A ban list can have a hundred thousand networks. The filter shares the networks and shows only the name, so neither
//! a verdict nor its record grows with the list.

use alloc::sync::Arc;
use core::fmt;

use crate::{PrefixMap, SetName};

/// A set with its networks at one time. Two sets are equal if both name and networks are equal.
#[derive(Clone, PartialEq, Eq)]
pub struct NamedSet {
    /// The name in the operator's configuration.
    pub name: SetName,
    /// The networks of the set, each with its value. Many networks can have one value, so they share it.
    pub networks: Arc<PrefixMap<Arc<str>>>,
}

impl fmt::Debug for NamedSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} networks)", self.name, self.networks.len())
    }
}
