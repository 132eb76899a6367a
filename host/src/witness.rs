//! What tests of the kernel's side stand on: a network namespace of their own, and programs of others that tell what is in it.
//!
//! A witness shares no code with what it looks at, so a mistake of ours cannot hide in it.

use std::io::Write as _;
use std::process::Command;
use std::thread;

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};

/// Reports past the test runner's capture that this test cannot run here. Where `CI` is set nobody reads it, and the test fails.
pub(crate) fn skip(reason: &str) {
    let test = thread::current().name().unwrap_or("a test").to_owned();
    assert!(std::env::var_os("CI").is_none(), "{test} may not be skipped here: {reason}");
    // The runner captures print! and eprintln!, not this.
    let _ = writeln!(std::io::stderr(), "skipped {test}: {reason}");
}

/// Runs a test on a thread with a network namespace of its own, which goes away with it. Skips the test where the namespace
/// cannot be made.
pub(crate) fn in_own_namespace(test: impl FnOnce() + Send + 'static) {
    let thread = thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNET)?;
        test();
        Ok::<_, Errno>(())
    });
    match thread.join() {
        Ok(Ok(())) => {}
        Ok(Err(errno)) => skip(&format!("no network namespace can be made here ({errno}); run the tests as root")),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// What a program prints; it runs in the namespace of the calling thread, and must succeed.
fn ask(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let output =
        output.unwrap_or_else(|error| panic!("{program} is a witness of this test and must be there: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}\n{text}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

/// `nft` with one line of its language.
pub(crate) fn nft(line: &str) -> String {
    ask("nft", &[line])
}
