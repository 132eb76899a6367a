//! All that is unsafe in the command, with the reason why it is sound.

use std::io;

use nix::sys::signal::{SigHandler, Signal, signal};

/// Has a write into a pipe that nobody reads end this process without a word, as it ends other commands: Rust's own start
/// ignores the signal.
pub(super) fn end_at_broken_pipe() -> io::Result<()> {
    // SAFETY: no handler of ours is installed, so that no code runs where little is allowed; the default ends the process.
    #[expect(unsafe_code, reason = "see above")]
    let before = unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) };
    before.map(drop).map_err(io::Error::from)
}
