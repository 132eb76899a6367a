//! One fuzzer for all readers of untrusted bytes: `CTWARDEN_FUZZ` names the check that gets the bytes.
//!
//! The checks are a crate of the workspace, because the tests replay the corpora with them.
#![no_main]

use std::sync::LazyLock;

use ctwarden_fuzz_checks::Check;

static CHECK: LazyLock<Check> = LazyLock::new(|| {
    let name = std::env::var("CTWARDEN_FUZZ").unwrap_or_default();
    ctwarden_fuzz_checks::find(&name).unwrap_or_else(|| panic!("CTWARDEN_FUZZ={name} names no check"))
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| (CHECK.check)(bytes));
