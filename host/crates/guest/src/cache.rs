//! A cache folder that outlives the process: compiled code of components, and notes of the program.
//!
//! Compiling an interpreter takes seconds; loading the compiled code takes milliseconds. Compiled code is machine code
//! that runs with the daemon's privileges. The cache therefore accepts only complete files, and only if nobody but root
//! and the daemon's own user can have written the folder and the file. A note records what the program found out about
//! a component, so the program need not find it out again. The same checks apply to notes.

use std::fs::File;
use std::hash::{Hash, Hasher};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use ctwarden_model::PluginName;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::code::{Code, DIGEST};
use crate::runtime::Runtime;

/// Largest note that the cache reads: a descriptor with its schema.
const NOTE_BYTES_MAX: u64 = 1 << 20;
/// Permission bits that let other users write.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Why a folder cannot be used.
#[derive(Debug, Error)]
pub enum CacheError {
    /// The path cannot be opened as a folder. A symbolic link does not count as one.
    #[error("cannot open {} to store compiled plugins", .folder.display())]
    Open {
        folder: PathBuf,
        #[source]
        source: io::Error,
    },
    /// Other users could put code there.
    #[error(
        "{} can be written by users other than root and the user of this process, so they could run code in this \
         process; run `chown root` and `chmod 700` on it",
        .folder.display()
    )]
    Untrusted { folder: PathBuf },
}

/// A folder with compiled code.
#[derive(Debug)]
pub struct CodeCache(OwnedFd);

impl CodeCache {
    /// Opens an existing folder as a cache.
    ///
    /// # Errors
    /// The path is not a folder, or other users can write there.
    pub fn open(folder: &Path) -> Result<Self, CacheError> {
        let error = |source: rustix::io::Errno| CacheError::Open { folder: folder.to_owned(), source: source.into() };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Self::within(rustix::fs::open(folder, flags, Mode::empty()).map_err(error)?, folder)
    }

    /// Uses an open folder. The path appears only in messages.
    ///
    /// # Errors
    /// Other users can write there.
    pub fn within(opened: OwnedFd, folder: &Path) -> Result<Self, CacheError> {
        let error = |source: rustix::io::Errno| CacheError::Open { folder: folder.to_owned(), source: source.into() };
        if trusted(&rustix::fs::fstat(&opened).map_err(error)?) {
            Ok(Self(opened))
        } else {
            Err(CacheError::Untrusted { folder: folder.to_owned() })
        }
    }

    /// Returns the component's code if it is present, trustworthy and complete.
    #[must_use]
    pub fn code(&self, key: &ComponentKey) -> Option<Code> {
        let mut kept = self.open_trusted(&key.code_name())?;
        let mut digest = [0; DIGEST];
        kept.read_exact(&mut digest).ok()?;
        Code::copy(kept, &digest).ok()?
    }

    /// Stores the component's code.
    ///
    /// # Errors
    /// The folder cannot be written. The next start then compiles again.
    pub fn keep_code(&self, key: &ComponentKey, code: &Code) -> io::Result<()> {
        self.write(&key.code_name(), |file| {
            file.write_all(&code.digest()?)?;
            code.write_to(file)
        })
    }

    /// Returns the program's note about the component's plugin under these circumstances.
    #[must_use]
    pub fn note(&self, key: &ComponentKey, plugin: &PluginName, circumstances: &[u8]) -> Option<Vec<u8>> {
        let kept = self.open_trusted(&key.note_name(plugin))?;
        let mut bytes = Vec::new();
        kept.take(NOTE_BYTES_MAX).read_to_end(&mut bytes).ok()?;
        let (digest, rest) = bytes.split_first_chunk::<DIGEST>()?;
        let (of, note) = rest.split_first_chunk::<DIGEST>()?;
        let whole = Sha256::digest(rest).as_slice() == digest && Sha256::digest(circumstances).as_slice() == of;
        whole.then(|| note.to_vec())
    }

    /// Stores a note about the component's plugin. Each plugin has one note: the latest.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn keep_note(
        &self,
        key: &ComponentKey,
        plugin: &PluginName,
        circumstances: &[u8],
        note: &[u8],
    ) -> io::Result<()> {
        let mut content = Sha256::digest(circumstances).to_vec();
        content.extend_from_slice(note);
        self.write(&key.note_name(plugin), |file| {
            file.write_all(&Sha256::digest(&content))?;
            file.write_all(&content)
        })
    }

    fn open_trusted(&self, name: &str) -> Option<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = rustix::fs::openat(&self.0, name, flags, Mode::empty()).ok()?;
        let stat = rustix::fs::fstat(&file).ok()?;
        let usable = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile && trusted(&stat);
        usable.then(|| File::from(file))
    }

    /// Writes a file atomically: a reader finds either no file or a complete one.
    fn write(&self, name: &str, content: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
        let fresh = format!("{name}.{}", std::process::id());
        // A killed process with the same process id may have left this file.
        let _ = rustix::fs::unlinkat(&self.0, &fresh, AtFlags::empty());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(rustix::fs::openat(&self.0, &fresh, flags, Mode::from_raw_mode(0o600))?);
        let renamed = content(&mut file).and_then(|()| Ok(rustix::fs::renameat(&self.0, &fresh, &self.0, name)?));
        if renamed.is_err() {
            rustix::fs::unlinkat(&self.0, &fresh, AtFlags::empty())?;
        }
        renamed
    }
}

/// Whether only root or the user of this process can have written the file.
fn trusted(stat: &Stat) -> bool {
    let owner = stat.st_uid;
    (owner == 0 || owner == rustix::process::geteuid().as_raw()) && stat.st_mode & WRITABLE_BY_OTHERS == 0
}

/// Identifies a component and everything that affects its compiled code: the compiler's version, its settings and this
/// processor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComponentKey(String);

impl ComponentKey {
    /// Returns the key of a component with these bytes.
    #[must_use]
    pub fn new(runtime: &Runtime, bytes: &[u8]) -> Self {
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
        runtime.engine().precompile_compatibility_hash().hash(&mut all);
        all.0.update(bytes);
        Self(all.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    fn code_name(&self) -> String {
        format!("{}.code", self.0)
    }

    /// A plugin name contains only letters, digits and `-`.
    fn note_name(&self, plugin: &PluginName) -> String {
        format!("{}.{plugin}.note", self.0)
    }
}
