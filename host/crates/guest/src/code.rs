//! Compiled code in sealed memory.
//!
//! Code is mapped; it is not copied to the place where it runs. A file of a folder is never mapped: a write to a mapped
//! file changes the running code, and a truncation kills the process (mmap(2), SIGBUS), long after all checks. A folder
//! that is mounted `noexec` could not be mapped at all. So code is in a memory file that is sealed before anything is
//! read from it (memfd_create(2)). The verified code is the code that runs, whatever happens elsewhere.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;

use rustix::fs::{MemfdFlags, SealFlags};
use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

/// Length of a digest in bytes.
pub(crate) const DIGEST: usize = 32;
/// Largest compiled code of one component. Compilation makes a component about ten times larger, so this is enough for
/// a component of 18 MB with a whole interpreter. The code stays in memory as long as the plugin runs.
pub const CODE_BYTES_MAX: u64 = 256 << 20;
/// Bytes that are hashed and copied at a time. They stay in the processor's cache between the two steps.
const PORTION: usize = 64 << 10;

/// Compiled code that nobody can change, including this process.
#[derive(Debug)]
pub struct Code(File);

impl Code {
    /// Creates an empty memory file for code.
    ///
    /// # Errors
    /// The kernel does not support memory files.
    pub fn file() -> io::Result<OwnedFd> {
        // Kernels since 6.3 expect a flag that says whether the file may be executed, and can be configured to refuse
        // executable ones (`vm.memfd_noexec`). Older kernels do not know the flag.
        let (name, flags) = ("ctwarden-code", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING);
        let made = rustix::fs::memfd_create(name, flags | MemfdFlags::NOEXEC_SEAL);
        Ok(made.or_else(|_| rustix::fs::memfd_create(name, flags))?)
    }

    /// Seals the content of a file from [`Code::file`].
    ///
    /// # Errors
    /// The file is empty or larger than [`CODE_BYTES_MAX`], or cannot be sealed.
    ///
    /// # Safety
    /// The file contains what [`Code::write_to`] wrote, and nothing else.
    #[expect(unsafe_code, reason = "only the caller can know where the bytes come from")]
    pub unsafe fn seal(file: OwnedFd) -> io::Result<Self> {
        Self::sealed(File::from(file))
    }

    /// Duplicates the file handle for another process.
    ///
    /// # Errors
    /// This process has too many open files.
    pub fn handle(&self) -> io::Result<OwnedFd> {
        self.0.as_fd().try_clone_to_owned()
    }

    /// Creates code from bytes that wasmtime produced.
    pub(crate) fn of(bytes: &[u8]) -> io::Result<Self> {
        let mut file = File::from(Self::file()?);
        file.write_all(bytes)?;
        Self::sealed(file)
    }

    fn sealed(file: File) -> io::Result<Self> {
        // Seal before reading the length: a sealed file cannot grow.
        let seals = SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
        if !rustix::fs::fcntl_get_seals(&file)?.contains(seals) {
            rustix::fs::fcntl_add_seals(&file, seals)?;
        }
        match file.metadata()?.len() {
            0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "no code was written")),
            length if length > CODE_BYTES_MAX => Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("{length} bytes of code, more than {CODE_BYTES_MAX}"),
            )),
            _ => Ok(Self(file)),
        }
    }

    /// Copies the whole input if it has this digest.
    pub(crate) fn copy(from: impl Read, digest: &[u8; DIGEST]) -> io::Result<Option<Self>> {
        let mut from = from.take(CODE_BYTES_MAX);
        let mut memory = File::from(Self::file()?);
        let (mut found, mut portion) = (Sha256::new(), vec![0; PORTION]);
        loop {
            let length = from.read(&mut portion)?;
            let Some(bytes) = portion.get(..length).filter(|bytes| !bytes.is_empty()) else { break };
            found.update(bytes);
            memory.write_all(bytes)?;
        }
        if found.finalize().as_slice() != digest {
            return Ok(None);
        }
        Self::sealed(memory).map(Some)
    }

    /// Returns the digest of the whole code.
    pub(crate) fn digest(&self) -> io::Result<[u8; DIGEST]> {
        let mut digest = Sha256::new();
        self.each_portion(|bytes| {
            digest.update(bytes);
            Ok(())
        })?;
        Ok(digest.finalize().into())
    }

    /// Writes the whole code.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_to(&self, file: &mut File) -> io::Result<()> {
        self.each_portion(|bytes| file.write_all(bytes))
    }

    fn each_portion(&self, mut take: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let (mut place, mut portion) = (0, vec![0; PORTION]);
        loop {
            let length = self.0.read_at(&mut portion, place)?;
            let Some(bytes) = portion.get(..length).filter(|bytes| !bytes.is_empty()) else { return Ok(()) };
            take(bytes)?;
            place = place.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
        }
    }

    /// Loads the code as a component. wasmtime refuses code of another version or with other settings.
    #[expect(unsafe_code, reason = "the only way to take compiled code")]
    pub(crate) fn component(&self, engine: &Engine) -> wasmtime::Result<Component> {
        // wasmtime accepts only a path. This path leads to the open file itself (proc_pid_fd(5)). It needs a mounted
        // /proc.
        let path = format!("/proc/self/fd/{}", self.0.as_raw_fd());
        // SAFETY: the code must be the output of `Component::serialize`, and must not change while it is mapped. There
        // are three ways to create a `Code`. `Code::of` takes exactly that output, which the caller of
        // `CodeArchive::open` promises for code of an archive. The caller of `Code::seal` promises it too. `Code::copy` checks the digest, which proves that the bytes come from a file that only root or this
        // process's user can have written, and this program writes nothing there but a `Code`. The seals keep the
        // mapped memory unchanged.
        unsafe { Component::deserialize_file(engine, path) }
    }
}
