//! A toolchain made from Debian's signed archive and the crate registry, for machines that cannot reach Rust's own
//! downloads.
//!
//! Debian packages a current compiler (`rustc-web`, kept for browsers) with the source of its standard library, but no
//! WASI libraries for it. So this module unpacks that compiler, builds the standard library from that source against
//! Debian's wasi-libc, and links with the compiler's own LLVM. It installs nothing, leaves apt's state alone, and needs
//! no root.

mod apt;
mod compiler;
mod libc;
mod library;
mod linker;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};

use self::apt::Apt;
use super::{Target, Toolchain, smoke};
use crate::process;
use crate::progress::Progress;

/// Number of the recipe. Raise it whenever the steps below change their output.
const RECIPE: u32 = 1;

/// The marker file, written last. Its text distinguishes this build from any other.
const STAMP: &str = "stamp";

/// Programs that the steps below start.
const NEEDED: [&str; 6] = ["apt-get", "apt-cache", "dpkg-deb", "tar", "ldd", "cc"];

/// The toolchain in the user's cache, built first if it is missing.
///
/// The toolchain lies in the cache and not in `target`, because building it takes more than a minute and half a
/// gigabyte, and it is the same for each clone of the project and after each `cargo clean`.
pub(super) fn provide(progress: &Progress) -> Result<Toolchain> {
    let cache = cache_folder(std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from), std::env::home_dir())?;
    let place = cache.join(format!("guest-toolchain-v{RECIPE}"));
    if let Some(toolchain) = present(&place) {
        return Ok(toolchain);
    }
    require_debian()?;
    fs::create_dir_all(&cache).with_context(|| format!("cannot create {}", cache.display()))?;
    let lock = place.with_extension("lock");
    let lock = fs::File::create(&lock).with_context(|| format!("cannot create {}", lock.display()))?;
    if lock.try_lock().is_err() {
        progress.say("waiting for another cargo xtask that builds the guest toolchain");
        lock.lock().context("cannot lock the guest toolchain's folder")?;
    }
    if let Some(toolchain) = present(&place) {
        return Ok(toolchain);
    }
    // All steps work in a folder next to the final place. The final place appears in one step after the checks.
    let partial = place.with_extension("partial");
    remove(&partial)?;
    if place.exists() {
        progress.say(&format!("{} is broken; building it again", place.display()));
        fs::rename(&place, &partial).with_context(|| format!("cannot move {}", place.display()))?;
        remove(&partial)?;
    }
    make(progress, &partial).with_context(|| {
        format!(
            "cannot make a guest toolchain from Debian's packages in {}; `rustup target add {}` is an alternative",
            partial.display(),
            Target::Component.triple()
        )
    })?;
    fs::rename(&partial, &place).with_context(|| format!("cannot move {}", partial.display()))?;
    present(&place).with_context(|| format!("{} does not work after the move", place.display()))
}

/// A folder for this program, as the XDG base directory specification defines it.
fn cache_folder(xdg: Option<PathBuf>, home: Option<PathBuf>) -> Result<PathBuf> {
    // "If an implementation encounters a relative path … it should consider the path invalid and ignore it."
    xdg.filter(|folder| folder.is_absolute())
        .or_else(|| home.filter(|home| home.is_absolute()).map(|home| home.join(".cache")))
        .map(|folder| folder.join("ctwarden"))
        .context("no place for the guest toolchain: set HOME or XDG_CACHE_HOME to an absolute path")
}

/// The toolchain in its final place, if it is complete and its compiler runs.
fn present(place: &Path) -> Option<Toolchain> {
    let stamp = fs::read_to_string(place.join(STAMP)).ok()?;
    process::read(Command::new(place.join("bin").join("rustc")).arg("-V")).ok()?;
    Some(at(place, stamp))
}

fn at(place: &Path, stamp: String) -> Toolchain {
    let bin = place.join("bin");
    let name = stamp.lines().next().unwrap_or_default().to_owned();
    let environment = vec![
        ("RUSTC", bin.join("rustc").into_os_string()),
        ("CARGO_TARGET_WASM32_WASIP2_LINKER", bin.join("wasm-component-ld").into_os_string()),
    ];
    Toolchain { name, identity: stamp, environment }
}

fn require_debian() -> Result<()> {
    let way_out = format!("install the target with `rustup target add {}`", Target::Component.triple());
    if !cfg!(all(target_arch = "x86_64", target_os = "linux")) {
        bail!("a guest toolchain is made from Debian's packages on x86_64 Linux only; {way_out}");
    }
    let missing: Vec<&str> = NEEDED.into_iter().filter(|program| process::find(program).is_none()).collect();
    if !missing.is_empty() {
        bail!(
            "making a guest toolchain from Debian's packages needs {}; install that, or {way_out}",
            missing.join(", ")
        );
    }
    Ok(())
}

/// All steps, from nothing to a checked toolchain in `place`.
fn make(progress: &Progress, place: &Path) -> Result<()> {
    let work = place.join("work");
    fs::create_dir_all(&work)?;

    progress.say("guest toolchain 1/6: reading Debian's package lists");
    let apt = Apt::with_system_sources(&work.join("apt"))?;
    let packages = compiler::Packages::choose(&apt)?;

    progress.say(&format!("guest toolchain 2/6: downloading and unpacking {packages}"));
    let compiler = compiler::unpack(&apt, &packages, &work, place)?;

    let libc = libc::unpack(&apt, &work)?;
    let named = libc.install(place)?;
    progress.say(&format!("guest toolchain 3/6: wasi-libc {}", libc.version));

    let linker = linker::install(progress, &apt, packages.llvm(), &named, &work, place)?;
    progress.say(&format!("guest toolchain 4/6: {linker}"));

    progress.say(&format!("guest toolchain 5/6: building the standard library of {compiler}"));
    library::build(Target::Component, &work, place)?;
    library::build(Target::BareMetal, &work, place)?;

    progress.say("guest toolchain 6/6: compiling a component with it");
    let name = format!("{compiler} from Debian, wasi-libc {}", libc.version);
    // Two builds of one recipe look the same to cargo, so the time distinguishes them.
    let built = SystemTime::now().duration_since(UNIX_EPOCH).context("this machine's clock is before 1970")?;
    let stamp = format!("{name}\n{linker}\nbuilt {} ns\n", built.as_nanos());
    smoke::check(&at(place, stamp.clone()), &work.join("smoke"))?;

    remove(&work)?;
    for leftover in ["src", "share", "lib/rustlib/src"] {
        remove(&place.join("usr").join(leftover))?;
    }
    fs::write(place.join(STAMP), stamp)?;
    Ok(())
}

fn remove(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    Ok(())
}

/// Writes a script into `bin` that starts a program of the toolchain with the toolchain's own libraries.
///
/// The script finds the toolchain relative to its own place, so the whole folder can be moved. `last` comes after the
/// caller's arguments.
fn write_wrapper(place: &Path, name: &str, program: &str, last: &str) -> Result<PathBuf> {
    let bin = place.join("bin");
    fs::create_dir_all(&bin)?;
    let script = format!(
        "#!/bin/sh\n\
         here=${{0%/*}}/..\n\
         LD_LIBRARY_PATH=$here/usr/lib/x86_64-linux-gnu\n\
         export LD_LIBRARY_PATH\n\
         exec \"$here/{program}\" \"$@\"{last}\n"
    );
    let file = bin.join(name);
    fs::write(&file, script)?;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_follows_xdg_and_then_home() {
        let path = |text: &str| Some(PathBuf::from(text));
        let folder = |xdg, home| cache_folder(xdg, home).map(|folder| folder.display().to_string()).ok();
        assert_eq!(folder(path("/c"), path("/h")).as_deref(), Some("/c/ctwarden"));
        assert_eq!(folder(path("relative"), path("/h")).as_deref(), Some("/h/.cache/ctwarden"));
        assert_eq!(folder(None, path("/h")).as_deref(), Some("/h/.cache/ctwarden"));
        assert_eq!(folder(path(""), None), None);
    }

    #[test]
    fn a_folder_without_stamp_or_compiler_is_not_a_toolchain() {
        let place = std::env::temp_dir().join(format!("ctwarden-xtask-present-{}", std::process::id()));
        fs::create_dir_all(place.join("bin")).unwrap();
        let compiler = write_wrapper(&place, "rustc", "usr/bin/rustc", "").unwrap();
        assert!(present(&place).is_none(), "no stamp");
        fs::write(place.join(STAMP), "rustc 9\n").unwrap();
        assert!(present(&place).is_none(), "the wrapper leads nowhere");
        fs::create_dir_all(place.join("usr").join("bin")).unwrap();
        fs::write(place.join("usr").join("bin").join("rustc"), "#!/bin/sh\n[ \"$1\" = -V ]\n").unwrap();
        fs::set_permissions(
            place.join("usr").join("bin").join("rustc"),
            fs::metadata(&compiler).unwrap().permissions(),
        )
        .unwrap();
        assert_eq!(present(&place).unwrap().name(), "rustc 9");
        // The wrappers find their toolchain wherever the folder is moved.
        let moved = place.with_extension("moved");
        fs::rename(&place, &moved).unwrap();
        assert!(present(&moved).is_some());
        fs::remove_dir_all(&moved).unwrap();
    }
}
