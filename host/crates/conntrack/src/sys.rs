//! All unsafe code of the command, with the reason why it is sound.

use std::io;

use nix::sys::signal::{SigHandler, Signal, raise, signal};

/// Ends this process without a word, as a write into a pipe that nobody reads ends other commands. Rust's own start ignores the
/// signal, and it stays so for standard error: a command that has done its work is not to look as if it had failed because
/// nobody reads what it says beside.
pub(super) fn end_as_at_broken_pipe() -> io::Result<()> {
    // SAFETY: no handler of ours is installed, so that no code runs where little is allowed; the default ends the process.
    #[expect(unsafe_code, reason = "see above")]
    let before = unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) };
    before.and_then(|_| raise(Signal::SIGPIPE)).map_err(io::Error::from)
}
