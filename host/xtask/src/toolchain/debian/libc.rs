//! The C library under Rust's standard library in WASI 0.2. The system's own release of Debian may have a wasi-libc for
//! WASI 0.1 only, so other releases are tried too.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::apt::{self, Apt};
use super::library;
use crate::toolchain::Target;

/// Releases with a wasi-libc for WASI 0.2. The oldest comes first, because it was tested longest.
const RELEASES: [&str; 2] = ["trixie", "forky"];

#[derive(Debug)]
pub(super) struct Libc {
    /// Debian's version of the package and its release, as shown to the user.
    pub(super) version: String,
    folder: PathBuf,
}

/// Unpacks wasi-libc from the system's own release, or from the first other release that has the needed files.
pub(super) fn unpack(apt: &Apt, work: &Path) -> Result<Libc> {
    let work = work.join("libc");
    let mut reasons = Vec::new();
    match unpack_from(apt, "this release", &work.join("own")) {
        Ok(libc) => return Ok(libc),
        Err(error) => reasons.push(format!("{error:#}")),
    }
    for release in RELEASES {
        let folder = work.join(release);
        match apt.with_release(release, &folder).and_then(|apt| unpack_from(&apt, release, &folder)) {
            Ok(libc) => return Ok(libc),
            Err(error) => reasons.push(format!("{error:#}")),
        }
    }
    bail!("no wasi-libc for {}: {}", Target::Component.triple(), reasons.join("; "))
}

fn unpack_from(apt: &Apt, release: &str, folder: &Path) -> Result<Libc> {
    let version = apt.candidate("wasi-libc")?;
    let files = folder.join("files");
    for package in apt.download(&[format!("wasi-libc={version}")], &folder.join("packages"))? {
        apt::unpack(&package, &files)?;
    }
    let folder = files.join("usr").join("lib").join(Target::Component.triple());
    if !folder.join("libc.a").is_file() {
        bail!("wasi-libc {version} of {release} has no {}", Target::Component.triple());
    }
    Ok(Libc { version: format!("{version} of {release}"), folder })
}

impl Libc {
    /// Installs wasi-libc where the compiler looks for the libraries of a target. Returns the libraries that must be
    /// named to the linker, relative to `place`.
    pub(super) fn install(&self, place: &Path) -> Result<Vec<PathBuf>> {
        let own = library::folder(Target::Component).join("self-contained");
        fs::create_dir_all(place.join(&own))?;
        for part in ["crt1-command.o", "crt1-reactor.o", "libc.a"] {
            copy(&self.folder.join(part), &place.join(&own).join(part))?;
        }
        // Std calls pthread_create (which only ever fails). Rust's own build of wasi-libc has it in libc.a, Debian's in
        // some releases in a separate library.
        let threads = own.join("libwasi-emulated-pthread.a");
        let source = self.folder.join("libwasi-emulated-pthread.a");
        if !source.is_file() {
            return Ok(Vec::new());
        }
        copy(&source, &place.join(&threads))?;
        Ok(vec![threads])
    }
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).with_context(|| format!("cannot copy {}", from.display())).map(drop)
}
