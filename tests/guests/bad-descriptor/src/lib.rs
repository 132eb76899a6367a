//! Describes itself with an invalid name of two lines.
//!
//! This guest shows that a descriptor is checked before anything shows it to people.

#[path = "../../plugin.rs"]
mod plugin;

use plugin::{Descriptor, Provoked, Verdict, descriptor};

pub struct BadDescriptor;

impl Provoked for BadDescriptor {
    fn misbehave() -> Vec<Verdict> {
        Vec::new()
    }

    fn describe() -> Descriptor {
        Descriptor { name: "good\nsecond line".to_owned(), ..descriptor() }
    }
}

plugin::export_plugin!(BadDescriptor);
