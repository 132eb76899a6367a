//! Compiled code of several components in one range of a file, which a program carries.
//!
//! The code runs on every processor of the architecture, because another machine compiles it: it uses only what the
//! architecture guarantees. The form is: [`MAGIC`], the number of components, and for each the digest of its bytes, the
//! offset of its code from the begin of the range and the length of its code; then the code. Numbers are 64-bit and
//! little-endian.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;

use sha2::{Digest, Sha256};
use thiserror::Error;
use wasmtime::Engine;

use crate::code::{CODE_BYTES_MAX, Code, DIGEST};
use crate::runtime::settings;

const MAGIC: &[u8; 8] = b"ctwcode1";
/// Bytes of a row: digest, offset, length.
const ROW: usize = DIGEST + 16;
/// More components than any program carries.
const COMPONENTS_MAX: u64 = 1_000;

/// Why an archive could not be written.
#[derive(Debug, Error)]
pub enum ArchiveError {
    /// A component could not be compiled; the source says why.
    #[error("cannot compile component number {number} for every processor")]
    Compile {
        number: usize,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("cannot write compiled components")]
    Write(#[from] io::Error),
}

/// Compiled code in a range of a file.
#[derive(Debug)]
pub struct CodeArchive {
    file: File,
    /// Where the code of each component is in the file, and its length, by the digest of the component.
    codes: BTreeMap<[u8; DIGEST], (u64, u64)>,
}

impl CodeArchive {
    /// Compiles components for every processor of this architecture.
    ///
    /// # Errors
    /// [`ArchiveError`] with the component.
    pub fn write(components: &[&[u8]], to: &mut impl Write) -> Result<(), ArchiveError> {
        let compile = |(number, bytes): (usize, &&[u8])| {
            let compiled = portable_engine().and_then(|engine| engine.precompile_component(bytes));
            compiled.map_err(|error| ArchiveError::Compile { number, source: error.into() })
        };
        let codes = components.iter().enumerate().map(compile).collect::<Result<Vec<_>, _>>()?;
        let number = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        to.write_all(MAGIC)?;
        to.write_all(&number(components.len()).to_le_bytes())?;
        let mut offset = number(MAGIC.len() + 8 + components.len() * ROW);
        for (component, code) in components.iter().zip(&codes) {
            to.write_all(&Sha256::digest(component))?;
            to.write_all(&offset.to_le_bytes())?;
            to.write_all(&number(code.len()).to_le_bytes())?;
            offset = offset.saturating_add(number(code.len()));
        }
        for code in codes {
            to.write_all(&code)?;
        }
        Ok(())
    }

    /// Reads what an archive has, which begins at `begin` in the file.
    ///
    /// # Errors
    /// The file cannot be read, or has no archive there.
    ///
    /// # Safety
    /// [`CodeArchive::write`] wrote the archive, and nobody changes the file while this value exists.
    #[expect(unsafe_code, reason = "only the caller can know where the bytes come from")]
    pub unsafe fn open(file: File, begin: u64) -> io::Result<Self> {
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, "no archive of compiled components is there");
        let mut head = [0; 16];
        file.read_exact_at(&mut head, begin)?;
        let (magic, count) = head.split_at(MAGIC.len());
        let count = number(count).filter(|count| magic == MAGIC && *count <= COMPONENTS_MAX).ok_or_else(damaged)?;
        let mut rows = vec![0; usize::try_from(count).unwrap_or_default().saturating_mul(ROW)];
        file.read_exact_at(&mut rows, begin.saturating_add(16))?;
        let row = |row: &[u8]| {
            let (digest, place) = row.split_first_chunk::<DIGEST>()?;
            let (offset, length) = place.split_at_checked(8)?;
            Some((*digest, (begin.saturating_add(number(offset)?), number(length)?)))
        };
        let codes = rows.chunks_exact(ROW).map(row).collect::<Option<_>>().ok_or_else(damaged)?;
        Ok(Self { file, codes })
    }

    /// Returns the code of a component. `None` if the archive has none.
    ///
    /// # Errors
    /// The file cannot be read, or its code is too large.
    pub fn code(&self, component: &[u8]) -> io::Result<Option<Code>> {
        let digest: [u8; DIGEST] = Sha256::digest(component).into();
        let Some((begin, length)) = self.codes.get(&digest) else { return Ok(None) };
        if *length > CODE_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the compiled code is too large"));
        }
        let mut code = vec![0; usize::try_from(*length).map_err(io::Error::other)?];
        self.file.read_exact_at(&mut code, *begin)?;
        Code::of(&code).map(Some)
    }
}

/// An engine whose code uses no optional instructions. wasmtime uses those of this machine unless a target is named.
fn portable_engine() -> wasmtime::Result<Engine> {
    let environment = if cfg!(target_env = "musl") { "musl" } else { "gnu" };
    let mut config = settings();
    config.target(&format!("{}-unknown-linux-{environment}", std::env::consts::ARCH))?;
    Engine::new(&config)
}

fn number(bytes: &[u8]) -> Option<u64> {
    bytes.try_into().ok().map(u64::from_le_bytes)
}
