//! Rust toolchains for targets other than this machine's, such as WASI 0.2 for plugins.
//!
//! Three places are tried in turn: what is installed, what rustup can add, what can be built from Debian's packages.
//! Some machines have a mirror of the Debian archive but not of Rust's own downloads.

mod debian;
mod installed;
mod rustup;
mod smoke;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process;
use crate::progress::Progress;

/// The environment variable that names the only allowed origin of a toolchain.
const CHOICE: &str = "CTWARDEN_GUEST_TOOLCHAIN";

/// Variables of the caller that would change the compiler or its output.
const FOREIGN: [&str; 9] = [
    "RUSTC",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTFLAGS",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "CARGO_TARGET_DIR",
    "CARGO_BUILD_TARGET_DIR",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// WASI 0.2 components with the standard library.
    Component,
    /// A processor without an operating system: `core` and `alloc`, nothing else.
    BareMetal,
}

impl Target {
    /// The target's name in rustc.
    pub(crate) const fn triple(self) -> &'static str {
        match self {
            Self::Component => "wasm32-wasip2",
            Self::BareMetal => "x86_64-unknown-none",
        }
    }

    /// The library that every program for the target needs.
    const fn library(self) -> &'static str {
        match self {
            Self::Component => "libstd-",
            Self::BareMetal => "libcore-",
        }
    }
}

/// Where a toolchain comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The compiler in use already has the libraries.
    Installed,
    /// `rustup target add` adds the libraries.
    Rustup,
    /// Built from Debian's packages of the compiler, its source and wasi-libc.
    Debian,
}

impl Origin {
    /// The only origin that the environment allows; `None` if all are allowed.
    pub(crate) fn forced() -> Result<Option<Self>> {
        match std::env::var(CHOICE) {
            Ok(word) => Self::parse(&word).map(Some),
            Err(std::env::VarError::NotPresent) => Ok(None),
            Err(error) => Err(error).context(CHOICE),
        }
    }

    fn parse(word: &str) -> Result<Self> {
        match word {
            "installed" => Ok(Self::Installed),
            "rustup" => Ok(Self::Rustup),
            "debian" => Ok(Self::Debian),
            _ => bail!("{CHOICE} is `{word}`; it takes installed, rustup or debian"),
        }
    }

    fn provide(self, progress: &Progress, target: Target) -> Result<Toolchain> {
        match self {
            Self::Installed => installed::provide(target),
            Self::Rustup => rustup::provide(progress, target),
            Self::Debian => debian::provide(progress),
        }
    }
}

/// A toolchain that compiles for a [`Target`].
#[derive(Debug)]
pub(crate) struct Toolchain {
    /// Compiler and origin, as shown to the user.
    name: String,
    /// Changes whenever compiled output of another toolchain, or of an earlier build of this one, cannot be kept.
    identity: String,
    /// Environment variables for cargo.
    environment: Vec<(&'static str, OsString)>,
}

impl Toolchain {
    /// The first toolchain that is available, or the one with the forced origin.
    pub(crate) fn find(progress: &Progress, target: Target, forced: Option<Origin>) -> Result<Self> {
        if let Some(origin) = forced {
            return origin.provide(progress, target);
        }
        let mut reasons = Vec::new();
        for origin in [Origin::Installed, Origin::Rustup, Origin::Debian] {
            match origin.provide(progress, target) {
                Ok(toolchain) => return Ok(toolchain),
                Err(error) => reasons.push(format!("{error:#}")),
            }
        }
        bail!("no toolchain for {}:\n  - {}", target.triple(), reasons.join("\n  - "))
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Cargo with this toolchain and with output into `folder`.
    ///
    /// Cargo compares compiler versions but does not notice a rebuilt standard library. So output of another toolchain
    /// in the folder is deleted first, and the first use of a toolchain compiles a small component as a check.
    pub(crate) fn cargo_into(&self, folder: &Path, target: Target) -> Result<Output<'_>> {
        let mark = folder.join("toolchain");
        if fs::read_to_string(&mark).ok().as_deref() != Some(self.identity.as_str()) {
            if folder.exists() {
                fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
            }
            fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
            if target == Target::Component {
                smoke::check(self, &folder.join("smoke"))?;
            }
            fs::write(&mark, &self.identity).with_context(|| format!("cannot write {}", mark.display()))?;
        }
        Ok(Output { toolchain: self, folder: folder.to_owned(), target })
    }

    /// Cargo with this toolchain, without the settings of the caller's environment.
    fn cargo(&self) -> Command {
        let mut cargo = bare_cargo();
        cargo.envs(self.environment.iter().map(|(name, value)| (name, value)));
        cargo
    }
}

/// A folder for the output of one toolchain and one target.
#[derive(Debug)]
pub(crate) struct Output<'a> {
    toolchain: &'a Toolchain,
    folder: PathBuf,
    target: Target,
}

impl Output<'_> {
    /// `cargo COMMAND` for the target, with output into the folder.
    pub(crate) fn cargo(&self, command: &str) -> Command {
        let mut cargo = self.toolchain.cargo();
        cargo.args([command, "--target", self.target.triple(), "--target-dir"]).arg(&self.folder);
        cargo
    }

    /// Where cargo puts the output of the profile.
    pub(crate) fn artifacts(&self, profile: &str) -> PathBuf {
        self.folder.join(self.target.triple()).join(profile)
    }
}

/// Cargo without the settings of the caller that would change the output.
pub(crate) fn bare_cargo() -> Command {
    let mut cargo = process::cargo();
    for name in FOREIGN {
        cargo.env_remove(name);
    }
    cargo
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_origin_has_its_word_and_no_other_is_taken() {
        assert_eq!(Origin::parse("debian").unwrap(), Origin::Debian);
        assert_eq!(Origin::parse("rustup").unwrap(), Origin::Rustup);
        assert_eq!(Origin::parse("installed").unwrap(), Origin::Installed);
        let error = Origin::parse("Debian").unwrap_err().to_string();
        assert!(error.contains("`Debian`") && error.contains("rustup"), "{error}");
    }

    #[test]
    fn output_of_another_toolchain_is_dropped_and_its_own_is_kept() {
        let folder = std::env::temp_dir().join(format!("ctwarden-xtask-output-{}", std::process::id()));
        let toolchain = |identity: &str| Toolchain {
            name: "a toolchain".to_owned(),
            identity: identity.to_owned(),
            environment: Vec::new(),
        };
        // Bare metal, so that no component has to compile.
        toolchain("one").cargo_into(&folder, Target::BareMetal).unwrap();
        fs::write(folder.join("artifact"), "x").unwrap();
        toolchain("one").cargo_into(&folder, Target::BareMetal).unwrap();
        assert!(folder.join("artifact").exists());
        toolchain("two").cargo_into(&folder, Target::BareMetal).unwrap();
        assert!(!folder.join("artifact").exists());
        fs::remove_dir_all(&folder).unwrap();
    }
}
