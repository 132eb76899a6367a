//! Compiled code, kept in a folder from one start to the next.
//!
//! Compiling an interpreter takes seconds, loading what was compiled takes milliseconds. Compiled code is machine code
//! that runs as the daemon does, so it is taken only from a folder and a file that nobody but root and the daemon's own
//! user could have written, and only whole.
//!
//! It is mapped, not copied to where it runs. What is mapped is not the file itself: who changes a mapped file changes
//! code that runs, and who cuts it off kills the process (mmap(2), SIGBUS), long after all checks; a folder that is mounted
//! `noexec` could not be mapped at all. So the bytes go, while they are hashed, into a memory file that is sealed before
//! anything is taken from it (memfd_create(2)): what was verified is what runs, whatever happens to the folder.

use std::fs::File;
use std::hash::{Hash, Hasher};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, MemfdFlags, Mode, OFlags, SealFlags, Stat};
use sha2::{Digest, Sha256};
use thiserror::Error;
use wasmtime::Engine;
use wasmtime::component::Component;

/// Bytes of the digest that a file begins with.
const DIGEST: usize = 32;
/// Largest file that is read: a component grows by about ten when it is compiled.
const CODE_BYTES_MAX: u64 = 1 << 30;
/// Bytes that are hashed and handed on at a time: they stay in the processor's cache between the two.
const PORTION: usize = 64 << 10;
/// Permission bits that let others write.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Why a folder is not used.
#[derive(Debug, Error)]
pub enum CacheError {
    /// It cannot be opened as a folder; a symbolic link is none.
    #[error("cannot open {} to keep compiled plugins in", .folder.display())]
    Open {
        /// Which.
        folder: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Somebody else could put code there.
    #[error(
        "{} can be written by others than root and the user of this process, who could run code in it; set it right with `chown root` and `chmod 700`",
        .folder.display()
    )]
    Untrusted {
        /// Which.
        folder: PathBuf,
    },
}

/// A folder with compiled code.
#[derive(Debug)]
pub struct CodeCache(OwnedFd);

impl CodeCache {
    /// Uses that folder, which exists.
    ///
    /// # Errors
    /// It is no folder, or others can write there.
    pub fn open(folder: &Path) -> Result<Self, CacheError> {
        let error = |source: rustix::io::Errno| CacheError::Open { folder: folder.to_owned(), source: source.into() };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Self::within(rustix::fs::open(folder, flags, Mode::empty()).map_err(error)?, folder)
    }

    /// Uses an open folder, whose path is only for messages.
    ///
    /// # Errors
    /// Others can write there.
    pub fn within(opened: OwnedFd, folder: &Path) -> Result<Self, CacheError> {
        let error = |source: rustix::io::Errno| CacheError::Open { folder: folder.to_owned(), source: source.into() };
        if trusted(&rustix::fs::fstat(&opened).map_err(error)?) {
            Ok(Self(opened))
        } else {
            Err(CacheError::Untrusted { folder: folder.to_owned() })
        }
    }

    /// The component, from the folder or else compiled and put there.
    pub(crate) fn component(&self, engine: &Engine, bytes: &[u8]) -> wasmtime::Result<Component> {
        let name = name(engine, bytes);
        if let Some(code) = self.read(&name)
            && let Ok(component) = code.trust(engine)
        {
            return Ok(component);
        }
        let component = Component::new(engine, bytes)?;
        // Without it the next start compiles again, which is no reason not to start now.
        let _ = component.serialize().map(|code| self.write(&name, &code));
        Ok(component)
    }

    /// The code of that name, if it is there, trustworthy and whole.
    fn read(&self, name: &str) -> Option<Sealed> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = rustix::fs::openat(&self.0, name, flags, Mode::empty()).ok()?;
        let stat = rustix::fs::fstat(&file).ok()?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile || !trusted(&stat) {
            return None;
        }
        let mut kept = File::from(file).take(CODE_BYTES_MAX);
        let mut digest = [0; DIGEST];
        kept.read_exact(&mut digest).ok()?;
        Sealed::copy(kept, &digest).ok()?
    }

    /// A reader meets either no file or a whole one.
    fn write(&self, name: &str, code: &[u8]) -> io::Result<()> {
        let fresh = format!("{name}.{}", std::process::id());
        // What a process of the same number left when it was killed here.
        let _ = rustix::fs::unlinkat(&self.0, &fresh, AtFlags::empty());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(rustix::fs::openat(&self.0, &fresh, flags, Mode::from_raw_mode(0o600))?);
        let written = file.write_all(&Sha256::digest(code)).and_then(|()| file.write_all(code));
        let renamed = written.and_then(|()| Ok(rustix::fs::renameat(&self.0, &fresh, &self.0, name)?));
        if renamed.is_err() {
            rustix::fs::unlinkat(&self.0, &fresh, AtFlags::empty())?;
        }
        renamed
    }
}

/// Whether only root or the user of this process can have written it.
fn trusted(stat: &Stat) -> bool {
    let owner = stat.st_uid;
    (owner == 0 || owner == rustix::process::geteuid().as_raw()) && stat.st_mode & WRITABLE_BY_OTHERS == 0
}

/// Names what is compiled and everything that it is compiled with: the compiler's version, its settings and this
/// processor.
fn name(engine: &Engine, bytes: &[u8]) -> String {
    struct Everything(Sha256);

    impl Hasher for Everything {
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }

        fn finish(&self) -> u64 {
            0
        }
    }

    let mut all = Everything(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut all);
    all.0.update(bytes);
    let mut name: String = all.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    name.push_str(".code");
    name
}

/// Code whose digest was right, in memory that nobody can change any more, this process included.
struct Sealed(File);

impl Sealed {
    /// All that comes, if it has that digest.
    fn copy(mut from: impl Read, digest: &[u8; DIGEST]) -> io::Result<Option<Self>> {
        let mut memory = memory_file()?;
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
        rustix::fs::fcntl_add_seals(&memory, SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        Ok(Some(Self(memory)))
    }

    /// Takes the code as a component; wasmtime refuses that of another version or with other settings.
    #[expect(unsafe_code, reason = "the only way to take compiled code")]
    fn trust(&self, engine: &Engine) -> wasmtime::Result<Component> {
        // wasmtime takes a path only. This one leads to the open file itself (proc_pid_fd(5)); without /proc it leads nowhere,
        // and the code is compiled.
        let path = format!("/proc/self/fd/{}", self.0.as_raw_fd());
        // SAFETY: the code must be what `Component::serialize` gave, and must stay so while it is mapped. `CodeCache::read`
        // takes it only from a file that nobody but root or this process's user can have written, in a folder of which the
        // same holds, and whose digest says that it is whole; all that this program writes there is
        // `Component::serialize`'s; and the seals keep the mapped memory as it was when the digest was right.
        unsafe { Component::deserialize_file(engine, path) }
    }
}

/// An empty file in memory that can be sealed. Kernels since 6.3 want to be told whether a program may be started from it,
/// and may be set to refuse where it may (`vm.memfd_noexec`); older ones do not know the word.
fn memory_file() -> io::Result<File> {
    let (name, flags) = ("ctwarden-code", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING);
    let made = rustix::fs::memfd_create(name, flags | MemfdFlags::NOEXEC_SEAL);
    Ok(made.or_else(|_| rustix::fs::memfd_create(name, flags))?.into())
}
