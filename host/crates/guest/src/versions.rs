//! The interface versions that this host supports.
//!
//! A released version is frozen, and plugins outlive it. A new version needs one more folder next to `v0_1` and one
//! more element here. No other code of this crate knows the interface version of a plugin.

use crate::interface::InterfaceVersion;
use crate::v0_1;

pub(crate) const ALL: &[InterfaceVersion] = &[v0_1::VERSION];
