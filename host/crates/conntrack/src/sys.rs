//! The unsafe code of the command, with the reason why it is sound.

use std::io;

use nix::sys::signal::{SigHandler, Signal, raise, signal};

/// Ends this process silently with `SIGPIPE`, as a write to a closed pipe ends other commands. Rust's startup code
/// ignores the signal. For standard error this stays so: a command that has done its work must not seem to have failed
/// because nothing reads its messages.
pub(super) fn end_as_at_broken_pipe() -> io::Result<()> {
    // SAFETY: this installs the default action, not a handler, so no code runs in signal context. The default action
    // ends the process.
    #[expect(unsafe_code, reason = "see above")]
    let before = unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) };
    before.and_then(|_| raise(Signal::SIGPIPE)).map_err(io::Error::from)
}
