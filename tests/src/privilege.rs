//! Whether this process may make network namespaces; a test that may not says so and is skipped.
//!
//! A skip that nobody sees is a test that does not exist, so the reason is written past the test runner's capture, and in
//! continuous integration (`CI=true`), which runs as root, there is no skipping at all.

use std::io::Write;

/// Writes the reason where a person sees it.
///
/// # Panics
/// With `CI=true` in the environment.
pub fn skip(reason: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{test} may not be skipped here: {reason}");
    // The runner captures print! and eprintln!, not this.
    let _ = writeln!(std::io::stderr(), "skipped {test}: {reason}");
}
