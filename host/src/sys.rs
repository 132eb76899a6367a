//! All that is unsafe in the program, each with the reason why it is sound.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

use ctwarden_guest::Code;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Descriptors of which the loop waits to be readable.
///
/// # Safety
/// The value owns one open descriptor for as long as it lives, and always gives that one.
#[expect(unsafe_code, reason = "tokio asks for this promise, which no safe trait makes for values behind a wrapper")]
pub(crate) unsafe trait OwnsDescriptor: AsRawFd {}

#[expect(
    unsafe_code,
    reason = "an OwnedFd is one open descriptor until it is dropped, and shared it cannot be taken out"
)]
unsafe impl OwnsDescriptor for Arc<OwnedFd> {}

/// Has the runtime watch whether it is readable.
pub(crate) fn watch<T: OwnsDescriptor>(socket: T) -> io::Result<AsyncFd<T>> {
    // SAFETY: `OwnsDescriptor` promises exactly what is asked for: the descriptor stays open and the same.
    #[expect(unsafe_code, reason = "see above")]
    let watched = unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE) };
    watched.map_err(io::Error::from)
}

/// The compiled code that the process which loads a component has written into a file of [`Code::file`].
pub(crate) fn seal_code_of_loader(file: OwnedFd) -> io::Result<Code> {
    // SAFETY: the file must have what `Code::write_to` wrote. The process on the other side is this very program, writes nothing
    // else into that file, and has ended well; its code is as good as the compiler is on bytes of a stranger, which is all
    // that would hold for code that was compiled in this process. See docs/decisions/2026-11-29-loading-process.md.
    #[expect(unsafe_code, reason = "see above")]
    unsafe {
        Code::seal(file)
    }
}
