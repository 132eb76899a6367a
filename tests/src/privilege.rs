//! Skips a test that may not make network namespaces, and reports the skip.
//!
//! Nobody would notice a silent skip, so the reason bypasses the capture of the test runner. Continuous integration
//! (`CI=true`) runs as root and allows no skips.

use std::io::Write;

/// Reports the reason on standard error.
///
/// # Panics
/// With `CI=true` in the environment.
pub fn skip(reason: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{test} may not be skipped here: {reason}");
    // The runner captures print! and eprintln!, but not this write.
    let _ = writeln!(std::io::stderr(), "skipped {test}: {reason}");
}
