//! The versions of the interface that this host speaks.
//!
//! A released version is frozen, and plugins outlive it. A new version is one more folder beside `v0_1` and one more element
//! here. No other code of this crate knows for which version a plugin was built.

use crate::interface::InterfaceVersion;
use crate::v0_1;

pub(crate) const ALL: &[InterfaceVersion] = &[v0_1::VERSION];
