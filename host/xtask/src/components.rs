//! The folder of compiled components: one file for each guest, named after its crate. Users of a component need not
//! know its toolchain.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::tree;

/// `\0asm`, then version 13 of layer 1: the component model's binary format, `Binary.md`, "Component Definitions".
const HEADER: [u8; 8] = [0x00, 0x61, 0x73, 0x6d, 0x0d, 0x00, 0x01, 0x00];

/// The folder of the components. It survives when the guests' build output is deleted.
pub(crate) fn folder() -> PathBuf {
    tree::target().join("guests").join("components")
}

/// The path of a crate's component.
pub(crate) fn path(name: &str) -> PathBuf {
    folder().join(format!("{name}.wasm"))
}

/// An error unless the file is a component.
pub(crate) fn check(file: &Path) -> Result<()> {
    let mut header = Vec::new();
    fs::File::open(file)
        .and_then(|file| file.take(HEADER.len() as u64).read_to_end(&mut header))
        .with_context(|| format!("cannot read {}", file.display()))?;
    if header != HEADER {
        bail!("{} is not a component: it begins with {header:02x?}", file.display());
    }
    Ok(())
}

/// Installs a component and returns its size in bytes. An unchanged file is left alone, and a reader sees either the
/// old file or the new one.
pub(crate) fn publish(built: &Path, place: &Path) -> Result<u64> {
    check(built)?;
    let bytes = fs::read(built).with_context(|| format!("cannot read {}", built.display()))?;
    if fs::read(place).ok().as_deref() != Some(bytes.as_slice()) {
        let parent = place.parent().context("a component's place has no folder")?;
        fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
        let fresh = place.with_extension("wasm.new");
        fs::write(&fresh, &bytes).with_context(|| format!("cannot write {}", fresh.display()))?;
        fs::rename(&fresh, place).with_context(|| format!("cannot replace {}", place.display()))?;
    }
    Ok(bytes.len() as u64)
}

/// Removes the components of crates that no longer exist.
pub(crate) fn retain(folder: &Path, names: &[&str]) -> Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let file = entry?.path();
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        if !names.contains(&stem.as_ref()) {
            fs::remove_file(&file).with_context(|| format!("cannot remove {}", file.display()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("ctwarden-xtask-{name}-{}", std::process::id()));
            fs::create_dir_all(&folder).unwrap();
            Self(folder)
        }

        fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
            let file = self.0.join(name);
            fs::write(&file, bytes).unwrap();
            file
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    #[test]
    fn a_core_module_and_a_short_file_are_no_components() {
        let folder = Folder::new("check");
        check(&folder.file("component.wasm", &[&HEADER[..], b"rest"].concat())).unwrap();
        let module = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
        assert!(
            check(&folder.file("module.wasm", &module))
                .unwrap_err()
                .to_string()
                .contains("module.wasm is not a component")
        );
        for length in 0..HEADER.len() {
            assert!(check(&folder.file("short.wasm", &HEADER[..length])).is_err());
        }
    }

    #[test]
    fn an_unchanged_component_keeps_its_time() {
        let folder = Folder::new("publish");
        let built = folder.file("built.wasm", &HEADER);
        let place = folder.0.join("components").join("a-b.wasm");
        assert_eq!(publish(&built, &place).unwrap(), 8);
        let before = fs::metadata(&place).unwrap().modified().unwrap() - std::time::Duration::from_secs(9);
        fs::File::options().write(true).open(&place).unwrap().set_modified(before).unwrap();
        publish(&built, &place).unwrap();
        assert_eq!(fs::metadata(&place).unwrap().modified().unwrap(), before);
        publish(&folder.file("built.wasm", &[&HEADER[..], b"more"].concat()), &place).unwrap();
        assert_ne!(fs::metadata(&place).unwrap().modified().unwrap(), before);
    }

    #[test]
    fn only_components_of_present_crates_stay() {
        let folder = Folder::new("retain");
        let (kept, gone) = (folder.file("kept.wasm", b""), folder.file("gone.wasm", b""));
        retain(&folder.0, &["kept", "later"]).unwrap();
        assert!(kept.exists() && !gone.exists());
    }
}
