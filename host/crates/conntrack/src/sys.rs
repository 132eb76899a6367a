//! The unsafe code of the command, with the reason why it is sound.

use std::io;

use nix::sys::signal::{SigHandler, Signal, raise, signal};

/// Ends this process by SIGPIPE and without a message, as a write to a closed pipe ends other commands. Rust's startup
/// code ignores the signal, and this program keeps it ignored for standard error. Otherwise a command that has done its
/// work would look failed because its messages have no reader.
pub(super) fn end_as_at_broken_pipe() -> io::Result<()> {
    // SAFETY: the default action ends the process. No handler is installed, so no code runs in signal context, where
    // only async-signal-safe functions are allowed.
    #[expect(unsafe_code, reason = "see above")]
    let before = unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) };
    before.and_then(|_| raise(Signal::SIGPIPE)).map_err(io::Error::from)
}
