//! Support for tests of the kernel's side: a separate network namespace for each test, and independent programs that
//! report its content.
//!
//! A witness shares no code with what it observes, so a mistake of ctwarden cannot hide in it.

use std::io::Write as _;
use std::process::Command;
use std::thread;

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};

/// Reports past the test runner's capture that this test cannot run here. If `CI` is set, nobody reads the report, and
/// the test fails.
pub(crate) fn skip(reason: &str) {
    let test = thread::current().name().unwrap_or("a test").to_owned();
    assert!(std::env::var_os("CI").is_none(), "{test} may not be skipped here: {reason}");
    // The runner captures print! and eprintln!, not this.
    let _ = writeln!(std::io::stderr(), "skipped {test}: {reason}");
}

/// Runs a test on a thread with its own network namespace, which disappears with the thread. Skips the test if the
/// namespace cannot be created.
pub(crate) fn in_own_namespace(test: impl FnOnce() + Send + 'static) {
    let thread = thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNET)?;
        test();
        Ok::<_, Errno>(())
    });
    match thread.join() {
        Ok(Ok(())) => {}
        Ok(Err(errno)) => skip(&format!("cannot make a network namespace here ({errno}); run the tests as root")),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// What a program prints. The program runs in the namespace of the calling thread, and must succeed.
fn ask(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("this test needs the program {program} as a witness: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}\n{text}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

/// Runs `ip` with these words.
pub(crate) fn ip(words: &[&str]) {
    ask("ip", words);
}

/// Runs `nft` with one line of its language.
pub(crate) fn nft(line: &str) -> String {
    ask("nft", &[line])
}
