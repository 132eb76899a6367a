//! What tests of the kernel's side stand on: a network namespace of their own, and programs of others that tell what is in it.
//!
//! A witness shares no code with what it looks at, so a mistake of ours cannot hide in it.

use std::process::Command;
use std::thread;

use nix::sched::{CloneFlags, unshare};

/// Runs a test on a thread with a network namespace of its own, which goes away with it. Says why where it cannot be made; where
/// nobody reads that, the test fails.
pub(crate) fn in_own_namespace(test: impl FnOnce() + Send + 'static) {
    let thread = thread::spawn(move || match unshare(CloneFlags::CLONE_NEWNET) {
        Ok(()) => test(),
        Err(errno) => {
            let skipped = format!("skipped: no network namespace can be made here ({errno}); run the tests as root");
            assert!(std::env::var_os("CI").is_none(), "{skipped}");
            eprintln!("{skipped}");
        }
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
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
