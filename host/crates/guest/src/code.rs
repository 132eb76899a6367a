//! Compiled code in sealed memory.
//!
//! Code is mapped, not copied to where it runs. What is mapped is never a file of a folder: who changes a mapped file changes
//! code that runs, and who cuts it off kills the process (mmap(2), SIGBUS), long after all checks; a folder that is mounted
//! `noexec` could not be mapped at all. So code lies in a memory file that is sealed before anything is taken from it
//! (memfd_create(2)): what was verified is what runs, whatever happens elsewhere.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;

use rustix::fs::{MemfdFlags, SealFlags};
use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

/// Bytes of a digest.
pub(crate) const DIGEST: usize = 32;
/// Most code of one component. A component grows by about ten when it is compiled, so this is enough for one of 18 MB with a
/// whole interpreter. The code stays in memory for as long as the plugin runs.
pub const CODE_BYTES_MAX: u64 = 256 << 20;
/// Bytes that are hashed and handed on at a time: they stay in the processor's cache between the two.
const PORTION: usize = 64 << 10;

/// Compiled code that nobody can change any more, this process included.
#[derive(Debug)]
pub struct Code(File);

impl Code {
    /// An empty file in memory, to write code into.
    ///
    /// # Errors
    /// The kernel has no such files.
    pub fn file() -> io::Result<OwnedFd> {
        // Kernels since 6.3 want to be told whether a program may be started from it, and may be set to refuse where it may
        // (`vm.memfd_noexec`); older ones do not know the word.
        let (name, flags) = ("ctwarden-code", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING);
        let made = rustix::fs::memfd_create(name, flags | MemfdFlags::NOEXEC_SEAL);
        Ok(made.or_else(|_| rustix::fs::memfd_create(name, flags))?)
    }

    /// Seals what was written into a file of [`Code::file`].
    ///
    /// # Errors
    /// The file is empty or larger than [`CODE_BYTES_MAX`], or cannot be sealed.
    ///
    /// # Safety
    /// The file has what [`Code::write_to`] wrote, and nothing else.
    #[expect(unsafe_code, reason = "only the caller can know where the bytes come from")]
    pub unsafe fn seal(file: OwnedFd) -> io::Result<Self> {
        Self::sealed(File::from(file))
    }

    /// The file, for another process.
    ///
    /// # Errors
    /// This process has too many open.
    pub fn handle(&self) -> io::Result<OwnedFd> {
        self.0.as_fd().try_clone_to_owned()
    }

    /// The code with these bytes, which wasmtime gave.
    pub(crate) fn of(bytes: &[u8]) -> io::Result<Self> {
        let mut file = File::from(Self::file()?);
        file.write_all(bytes)?;
        Self::sealed(file)
    }

    fn sealed(file: File) -> io::Result<Self> {
        // Before the length is taken: what is sealed does not grow.
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

    /// All that comes, if it has that digest.
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

    /// The digest of all of it.
    pub(crate) fn digest(&self) -> io::Result<[u8; DIGEST]> {
        let mut digest = Sha256::new();
        self.each_portion(|bytes| {
            digest.update(bytes);
            Ok(())
        })?;
        Ok(digest.finalize().into())
    }

    /// Writes all of it.
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

    /// Takes the code as a component; wasmtime refuses that of another version or with other settings.
    #[expect(unsafe_code, reason = "the only way to take compiled code")]
    pub(crate) fn component(&self, engine: &Engine) -> wasmtime::Result<Component> {
        // wasmtime takes a path only. This one leads to the open file itself (proc_pid_fd(5)); without /proc it leads nowhere.
        let path = format!("/proc/self/fd/{}", self.0.as_raw_fd());
        // SAFETY: the code must be what `Component::serialize` gave, and must stay so while it is mapped. A `Code` is made in three
        // ways: `Code::of`, of just that; `Code::seal`, whose caller promises that; and `Code::copy`, whose digest says that the
        // bytes are those of a file that nobody but root or this process's user can have written, and all that this program
        // writes there is a `Code`. The seals keep the mapped memory as it is.
        unsafe { Component::deserialize_file(engine, path) }
    }
}
