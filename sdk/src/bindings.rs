//! The code that wit-bindgen generates from `wit/v0.1`. The rest of this crate hides it from policy authors.
//!
//! The first invocation generates everything, with both optional exports, and the crate uses its types. The second only
//! adds the description of the world without optional exports to the component. [`export!`](crate::export) decides what a
//! plugin exports, and adds the descriptions of the optional exports.
#![allow(
    missing_docs,
    unreachable_pub,
    unsafe_code,
    clippy::all,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "generated code, and not read by people"
)]

wit_bindgen::generate!({
    world: "plugin-with-all",
    path: "../wit/v0.1",
    pub_export_macro: true,
    export_macro_name: "export_with_all",
    default_bindings_module: "ctwarden_sdk::bindings",
    additional_derives: [PartialEq],
});

mod plain {
    wit_bindgen::generate!({
        world: "plugin",
        path: "../wit/v0.1",
        with: {
            "ctwarden:conntrack/types@0.1.0": crate::bindings::ctwarden::conntrack::types,
            "ctwarden:conntrack/details@0.1.0": crate::bindings::ctwarden::conntrack::details,
            "ctwarden:conntrack/sets@0.1.0": crate::bindings::ctwarden::conntrack::sets,
            "ctwarden:conntrack/table@0.1.0": crate::bindings::ctwarden::conntrack::table,
            "ctwarden:conntrack/memory@0.1.0": crate::bindings::ctwarden::conntrack::memory,
            "ctwarden:conntrack/counters@0.1.0": crate::bindings::ctwarden::conntrack::counters,
        },
    });
}

/// Description of the world with expectations.
pub const EXPECTATIONS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/plugin-with-expectations"));
/// Description of the world with outcomes.
pub const OUTCOMES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/plugin-with-outcomes"));

/// A description as the content of a section.
pub const fn section<const N: usize>(description: &[u8]) -> [u8; N] {
    match description.first_chunk() {
        Some(section) => *section,
        None => panic!("the description is as long as its section"),
    }
}
