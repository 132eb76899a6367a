//! Debian's current compiler, unpacked and not installed. A standard library works only with the compiler that built
//! it, and Debian has the source of the library for this compiler.

use std::fmt;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::apt::{self, Apt};
use super::write_wrapper;
use crate::process;
use crate::rust_version::OLDEST;

/// The packages of the compiler, all of one version.
#[derive(Debug)]
pub(super) struct Packages {
    version: String,
    /// The compiler's shared libraries.
    runtime: String,
    /// The code generator that the shared libraries are linked with.
    llvm: String,
}

impl Packages {
    /// Chooses packages of matching versions from the package lists.
    pub(super) fn choose(apt: &Apt) -> Result<Self> {
        let version = apt.candidate("rustc-web")?;
        if numbers(&version) < numbers(OLDEST) {
            bail!(
                "this Debian's rustc-web is {version}, too old: ctwarden needs {OLDEST}; are security updates among apt's sources?"
            );
        }
        let runtime = beginning_with("libstd-rust-web-", apt.dependencies("libstd-rust-web-dev", &version)?)?;
        let llvm = beginning_with("libllvm", apt.dependencies(&runtime, &version)?)?;
        Ok(Self { version, runtime, llvm })
    }

    /// LLVM's major version, as in Debian's package names.
    pub(super) fn llvm(&self) -> &str {
        self.llvm.trim_start_matches("libllvm")
    }
}

impl fmt::Display for Packages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rustc-web {}, {}", self.version, self.llvm)
    }
}

/// Unpacks compiler, libraries and source under `place/usr` and returns the compiler's name and version.
pub(super) fn unpack(apt: &Apt, packages: &Packages, work: &Path, place: &Path) -> Result<String> {
    let of_this_version = ["rustc-web", packages.runtime.as_str(), "libstd-rust-web-dev", "rust-web-src"];
    let mut wanted: Vec<String> = of_this_version.iter().map(|name| format!("{name}={}", packages.version)).collect();
    wanted.push(packages.llvm.clone());
    for package in apt.download(&wanted, &work.join("compiler"))? {
        if file_name(&package).starts_with("rust-web-src_") {
            unpack_library_source(&package, place)?;
        } else {
            apt::unpack(&package, place)?;
        }
    }
    add_missing_libraries(apt, packages, work, place)?;
    let compiler = write_wrapper(place, "rustc", "usr/bin/rustc", "")?;
    let version = process::read(Command::new(compiler).arg("-V")).context("debian's compiler does not run here")?;
    // "rustc 1.96.0 (hash date) (built from a source tarball)"
    Ok(version.split_whitespace().take(2).collect::<Vec<_>>().join(" "))
}

/// Unpacks only the standard library from the source package of 400 MB.
fn unpack_library_source(package: &Path, place: &Path) -> Result<()> {
    let mut archive = Command::new("dpkg-deb").arg("--fsys-tarfile").arg(package).stdout(Stdio::piped()).spawn()?;
    let mut tar = Command::new("tar");
    // tar applies `-C` only to the names after it.
    tar.args(["-x", "-C"]).arg(place).args(["--wildcards", "./usr/src/*/library", "./usr/lib/rustlib/src"]);
    tar.stdin(archive.stdout.take().context("dpkg-deb has no output")?);
    process::run(&mut tar)?;
    if !archive.wait()?.success() {
        bail!("dpkg-deb could not read {}", package.display());
    }
    Ok(())
}

/// Adds the libraries that LLVM is linked with, such as those for XML and line editing, and that a bare system lacks.
fn add_missing_libraries(apt: &Apt, packages: &Packages, work: &Path, place: &Path) -> Result<()> {
    let libraries = place.join("usr").join("lib").join("x86_64-linux-gnu");
    let mut round = 0;
    loop {
        let missing = missing_libraries(place, &libraries)?;
        if missing.is_empty() {
            return Ok(());
        }
        // The first round finds what LLVM depends on, the next what those packages depend on.
        round += 1;
        if round > 3 {
            bail!("debian's compiler lacks {} here", missing.join(", "));
        }
        let owners = dependencies_in_rounds(apt, &packages.llvm, round)?;
        for package in apt.download(&owners, &work.join(format!("libraries-{round}")))? {
            apt::unpack(&package, place)?;
        }
        // Before the merge of /usr, some packages have their libraries in /lib.
        let old = place.join("lib").join("x86_64-linux-gnu");
        if old.is_dir() {
            process::read(Command::new("cp").arg("-a").arg(old.join(".")).arg(&libraries))?;
            fs::remove_dir_all(place.join("lib"))?;
        }
    }
}

/// The packages that are `rounds` steps of `Depends` away, without the C library, which must be the system's own.
fn dependencies_in_rounds(apt: &Apt, package: &str, rounds: usize) -> Result<Vec<String>> {
    let mut names = vec![package.to_owned()];
    for _ in 0..rounds {
        let mut next = Vec::new();
        for name in &names {
            next.extend(apt.dependencies(name, &apt.candidate(name)?)?);
        }
        next.retain(|name| !["libc6", "libgcc-s1", "gcc-12-base", "libstdc++6"].contains(&name.as_str()));
        next.sort();
        next.dedup();
        names = next;
    }
    Ok(names)
}

/// Libraries of compiler and code generator that the loader does not find.
fn missing_libraries(place: &Path, libraries: &Path) -> Result<Vec<String>> {
    let mut ldd = Command::new("ldd");
    ldd.env("LD_LIBRARY_PATH", libraries).arg(place.join("usr").join("bin").join("rustc"));
    for entry in fs::read_dir(libraries)? {
        let file = entry?.path();
        let name = file_name(&file);
        if name.starts_with("librustc_driver") || name.starts_with("libLLVM") {
            ldd.arg(&file);
        }
    }
    Ok(not_found_in(&process::read(&mut ldd)?))
}

fn not_found_in(ldd: &str) -> Vec<String> {
    let mut names: Vec<String> =
        ldd.lines().filter_map(|line| line.trim().strip_suffix(" => not found")).map(str::to_owned).collect();
    names.sort();
    names.dedup();
    names
}

fn beginning_with(prefix: &str, names: Vec<String>) -> Result<String> {
    names
        .into_iter()
        .find(|name| name.strip_prefix(prefix).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit())))
        .with_context(|| format!("debian's compiler depends on no package {prefix}*"))
}

/// Major and minor version: `1.96.0+dfsg1-1~deb12u2` is 1.96.
fn numbers(version: &str) -> Vec<u32> {
    version.split(|c: char| !c.is_ascii_digit()).take(2).filter_map(|number| number.parse().ok()).collect()
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        assert_eq!(numbers("1.96.0+dfsg1-1~deb12u2"), [1, 96]);
        assert!(numbers("1.100.0-1") > numbers("1.96.0-1"));
        assert!(numbers("1.85.0+dfsg3-1") < numbers("1.95"));
        assert!(numbers(OLDEST).len() == 2, "{OLDEST}");
    }

    #[test]
    fn a_dependency_is_found_by_what_its_name_begins_with() {
        let names = || vec!["libstd-rust-web-dev".to_owned(), "libstd-rust-web-1.96".to_owned()];
        assert_eq!(beginning_with("libstd-rust-web-", names()).unwrap(), "libstd-rust-web-1.96");
        assert!(beginning_with("libllvm", names()).unwrap_err().to_string().contains("libllvm*"));
    }

    #[test]
    fn what_the_loader_misses_is_read_once_each() {
        let ldd = "/x/rustc:\n\tlibxml2.so.2 => not found\n\tlibc.so.6 => /lib/libc.so.6 (0x1)\n\
                   /x/libLLVM.so:\n\tlibxml2.so.2 => not found\n\tlibedit.so.2 => not found\n";
        assert_eq!(not_found_in(ldd), ["libedit.so.2", "libxml2.so.2"]);
    }
}
