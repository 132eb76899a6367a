//! What wit-bindgen makes of `wit/v0.1`; everything else in this crate exists so that nobody has to look at it.
//!
//! Two worlds, one set of types: the first invocation generates everything, optional export included, and its types are
//! used throughout. The second only adds the description of the world without the optional export to the component; a
//! plugin exports what [`export!`](crate::export) was told to.
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
    world: "plugin-with-expectations",
    path: "../wit/v0.1",
    pub_export_macro: true,
    export_macro_name: "export_with_expectations",
    default_bindings_module: "ctwarden_sdk::bindings",
    additional_derives: [PartialEq],
});

mod plain {
    wit_bindgen::generate!({
        world: "plugin",
        path: "../wit/v0.1",
        with: {
            "ctwarden:policy/types@0.1.0": crate::bindings::ctwarden::policy::types,
            "ctwarden:policy/details@0.1.0": crate::bindings::ctwarden::policy::details,
            "ctwarden:policy/sets@0.1.0": crate::bindings::ctwarden::policy::sets,
            "ctwarden:policy/table@0.1.0": crate::bindings::ctwarden::policy::table,
            "ctwarden:policy/memory@0.1.0": crate::bindings::ctwarden::policy::memory,
        },
    });
}
