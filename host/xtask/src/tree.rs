//! Paths in the source tree. No other file spells a path of the project.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// A crate of the workspace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Crate {
    /// As written in the crate's manifest, with dashes.
    pub(crate) name: String,
    /// The folder that holds its manifest.
    pub(crate) folder: PathBuf,
}

/// Crates that must compile without an operating system.
pub(crate) const PURE_CRATES: [&str; 11] = [
    "ctwarden-net",
    "ctwarden-model",
    "ctwarden-wire",
    "ctwarden-feeds",
    "ctwarden-format",
    "ctwarden-engine",
    "ctwarden-replica",
    "ctwarden-reader",
    "ctwarden-sets",
    "ctwarden-hash",
    "ctwarden-counters",
];

/// The folder that holds the workspace's manifest.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

pub(crate) fn target() -> PathBuf {
    root().join("target")
}

/// The host program, as built by the dev profile.
pub(crate) fn host_binary() -> PathBuf {
    target().join("debug").join("ctwarden")
}

/// The demo, as built by the dev profile.
pub(crate) fn demo_binary() -> PathBuf {
    target().join("debug").join("ctwarden-demo")
}

/// The separate conntrack command, as built by the dev profile.
pub(crate) fn conntrack_binary() -> PathBuf {
    target().join("debug").join("conntrack")
}

/// The agent, as built by the dev profile.
pub(crate) fn agent_binary() -> PathBuf {
    target().join("debug").join("ctwarden-agent")
}

/// The fuzzer, the corpora and the inputs that break a reader.
pub(crate) fn fuzz() -> PathBuf {
    root().join("tests").join("fuzz")
}

/// The CI file of the public host of the repository.
pub(crate) fn ci_workflow() -> PathBuf {
    root().join(".github").join("workflows").join("ci.yml")
}

/// The folder with one folder for each interface version.
pub(crate) fn interfaces() -> PathBuf {
    root().join("wit")
}

/// The folder with a copy of each released interface version.
pub(crate) fn released_interfaces() -> PathBuf {
    interfaces().join("released")
}

/// One policy in several languages, and its kept components.
pub(crate) fn kept_components() -> PathBuf {
    root().join("tests").join("components")
}

/// The example policy, a crate outside the workspace.
pub(crate) fn example() -> PathBuf {
    root().join("sdk").join("examples").join("close-ports")
}

pub(crate) fn plugins() -> Result<Vec<Crate>> {
    crates_in(&root().join("plugins"))
}

/// Components that only the tests load, most of them hostile.
pub(crate) fn test_guests() -> Result<Vec<Crate>> {
    crates_in(&root().join("tests").join("guests"))
}

/// Every folder directly below `folder` that holds a manifest, by name; none if `folder` does not exist.
fn crates_in(folder: &Path) -> Result<Vec<Crate>> {
    let mut crates = Vec::new();
    if !folder.is_dir() {
        return Ok(crates);
    }
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let folder = entry?.path();
        let manifest = folder.join("Cargo.toml");
        if !manifest.is_file() {
            continue;
        }
        let text = fs::read_to_string(&manifest).with_context(|| format!("cannot read {}", manifest.display()))?;
        let name = package_name(&text).with_context(|| format!("no package name in {}", manifest.display()))?;
        crates.push(Crate { name: name.to_owned(), folder });
    }
    crates.sort();
    Ok(crates)
}

/// `name` of the `[package]` table.
fn package_name(manifest: &str) -> Option<&str> {
    manifest
        .lines()
        .map(str::trim)
        .skip_while(|line| *line != "[package]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .find_map(|line| {
            line.strip_prefix("name")?.trim_start().strip_prefix('=')?.trim().strip_prefix('"')?.split('"').next()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_the_packages_own() {
        let manifest = "[lib]\nname = \"other\"\n[package]\nedition = \"2024\"\nname = \"ban-follower\" # x\n[[bin]]\nname=\"b\"\n";
        assert_eq!(package_name(manifest), Some("ban-follower"));
        assert_eq!(package_name("[package]\nnames = \"x\"\n"), None);
        assert_eq!(package_name("[package]\n[lib]\nname = \"x\"\n"), None);
    }

    #[test]
    fn the_tree_is_the_one_this_crate_lies_in() {
        assert!(root().join("Cargo.lock").is_file());
        assert!(plugins().unwrap().iter().all(|plugin| plugin.folder.join("Cargo.toml").is_file()));
        assert_eq!(crates_in(&root().join("no-such-folder")).unwrap(), []);
    }

    #[test]
    fn the_pure_crates_are_members() {
        let members: Vec<String> =
            crates_in(&root().join("host").join("crates")).unwrap().into_iter().map(|member| member.name).collect();
        assert!(PURE_CRATES.iter().all(|pure| members.iter().any(|member| member == pure)), "{members:?}");
    }
}
