//! All unsafe code of the program, each with the reason why it is sound.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

use ctwarden_guest::{Code, CodeArchive};
use memmap2::Mmap;
use rustix::fs::{SealFlags, fcntl_get_seals};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Types whose descriptor the loop waits on until it is readable.
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

/// Registers the descriptor with the runtime for readability.
pub(crate) fn watch<T: OwnsDescriptor>(socket: T) -> io::Result<AsyncFd<T>> {
    // SAFETY: `OwnsDescriptor` promises exactly what is asked for: the descriptor stays open and the same.
    #[expect(unsafe_code, reason = "see above")]
    let watched = unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE) };
    watched.map_err(io::Error::from)
}

/// Seals the file of [`Code::file`] into which the loading process has written the compiled code of a component.
pub(crate) fn seal_code_of_loader(file: OwnedFd) -> io::Result<Code> {
    // SAFETY: the file must contain what `Code::write_to` wrote. The other process is this very program; it writes
    // nothing else into that file, and it has ended without an error. Its code is as trustworthy as the compiler is
    // with bytes of a stranger. The same would hold for code that was compiled in this process. See
    // docs/decisions/2026-11-29-loading-process.md.
    #[expect(unsafe_code, reason = "see above")]
    unsafe {
        Code::seal(file)
    }
}

/// Opens the section of this program's file that has the compiled code of the bundled policies.
pub(crate) fn open_code_of_program(file: File, begin: u64) -> io::Result<CodeArchive> {
    // SAFETY: the file is the one that runs, so whoever can write it can run any code in this process anyway. The build
    // wrote the section with this program's own verb. The kernel refuses to open the file of a running program for
    // writing (ETXTBSY); installing another version replaces the file, and this one stays as it is.
    #[expect(unsafe_code, reason = "see above")]
    unsafe {
        CodeArchive::open(file, begin)
    }
}

/// Maps a file in memory that is sealed against changes.
///
/// # Errors
/// If the file is not sealed, or cannot be mapped.
pub(crate) fn map_sealed(file: &File) -> io::Result<Mmap> {
    let needed = SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
    if !fcntl_get_seals(file)?.contains(needed) {
        return Err(io::Error::other("the file is not sealed"));
    }
    // SAFETY: the bytes of a mapping must not change, and none may vanish. The seals exclude both, and no seal can be taken
    // off again.
    #[expect(unsafe_code, reason = "see above")]
    unsafe {
        Mmap::map(file)
    }
}
