//! The Debian archive through apt, with separate lists and cache. apt finds packages, checks their signatures and
//! downloads them without root, and the system's state stays unchanged.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process;

/// Debian's own keys. The same keyring signs other releases of the archive.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// One set of sources with the lists fetched from them.
#[derive(Debug)]
pub(super) struct Apt {
    options: Vec<String>,
}

impl Apt {
    /// Uses the sources that this system is configured with.
    pub(super) fn with_system_sources(folder: &Path) -> Result<Self> {
        Self::update(folder, Vec::new())
    }

    /// Uses the main part of another release, from the mirror of these sources.
    pub(super) fn with_release(&self, release: &str, folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let list = folder.join("sources.list");
        fs::write(&list, format!("deb [signed-by={KEYRING}] {} {release} main\n", self.mirror()?))?;
        let sources = vec![format!("Dir::Etc::SourceList={}", list.display()), "Dir::Etc::SourceParts=-".to_owned()];
        Self::update(folder, sources)
    }

    fn update(folder: &Path, sources: Vec<String>) -> Result<Self> {
        let (lists, cache) = (folder.join("lists"), folder.join("cache"));
        fs::create_dir_all(lists.join("partial"))?;
        fs::create_dir_all(cache.join("archives").join("partial"))?;
        let mut options = vec![
            format!("Dir::State::Lists={}", lists.display()),
            format!("Dir::Cache={}", cache.display()),
            "Acquire::Languages=none".to_owned(),
            "Acquire::Retries=3".to_owned(),
            // Software-catalogue data of desktops, larger than all package lists.
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false".to_owned(),
        ];
        options.extend(sources);
        let apt = Self { options };
        process::read(&mut apt.command("apt-get", &["-qq", "update"]))?;
        Ok(apt)
    }

    /// The version that apt would install.
    pub(super) fn candidate(&self, package: &str) -> Result<String> {
        let policy = process::read(&mut self.command("apt-cache", &["policy", package]))?;
        let version = candidate_in(&policy).with_context(|| format!("apt's sources here have no package {package}"))?;
        Ok(version.to_owned())
    }

    /// The dependencies of the package, without versions; of alternatives only the first.
    pub(super) fn dependencies(&self, package: &str, version: &str) -> Result<Vec<String>> {
        let record = process::read(&mut self.command("apt-cache", &["show", &format!("{package}={version}")]))?;
        Ok(dependencies_in(&record))
    }

    /// Downloads the packages (`NAME` or `NAME=VERSION`) into `folder` and returns the files.
    pub(super) fn download(&self, packages: &[String], folder: &Path) -> Result<Vec<PathBuf>> {
        fs::create_dir_all(folder)?;
        let mut download = self.command("apt-get", &["-qq", "download"]);
        process::read(download.args(packages).current_dir(folder))?;
        let mut files = Vec::new();
        for entry in fs::read_dir(folder)? {
            files.push(entry?.path());
        }
        files.retain(|file| file.extension().is_some_and(|extension| extension == "deb"));
        files.sort();
        if files.len() != packages.len() {
            bail!("apt-get downloaded {} files for {}", files.len(), packages.join(" "));
        }
        Ok(files)
    }

    /// The address of this system's Debian mirror.
    fn mirror(&self) -> Result<String> {
        let format = "$(ORIGIN) $(COMPONENT) $(RELEASE) $(REPO_URI)";
        let targets =
            process::read(&mut self.command("apt-get", &["indextargets", "--format", format, "Created-By: Packages"]))?;
        let mirror = mirror_in(&targets).context("apt's sources here name no Debian mirror")?;
        Ok(mirror.to_owned())
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        // This program reads the output.
        command.env("LC_ALL", "C");
        for option in &self.options {
            command.args(["-o", option]);
        }
        command.args(arguments);
        command
    }
}

/// Unpacks a package's files into a folder.
pub(super) fn unpack(package: &Path, folder: &Path) -> Result<()> {
    process::read(Command::new("dpkg-deb").arg("-x").arg(package).arg(folder)).map(drop)
}

fn candidate_in(policy: &str) -> Option<&str> {
    policy
        .lines()
        .find_map(|line| line.trim_start().strip_prefix("Candidate:"))
        .map(str::trim)
        .filter(|version| *version != "(none)")
}

fn dependencies_in(record: &str) -> Vec<String> {
    let field = record.lines().find_map(|line| line.strip_prefix("Depends:")).unwrap_or_default();
    let first_words = field.split(',').filter_map(|dependency| dependency.split_whitespace().next());
    first_words.map(|name| name.split(':').next().unwrap_or(name).to_owned()).collect()
}

fn mirror_in(targets: &str) -> Option<&str> {
    targets.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        let (origin, component, release, mirror) = (words.next()?, words.next()?, words.next()?, words.next()?);
        // `-security` and `-updates` lie elsewhere or hold no whole release.
        (origin == "Debian" && component == "main" && !release.contains('-')).then_some(mirror)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_candidate_is_read_from_the_policy() {
        let policy = "rustc-web:\n  Installed: (none)\n  Candidate: 1.96.0+dfsg1-1~deb12u2\n  Version table:\n";
        assert_eq!(candidate_in(policy), Some("1.96.0+dfsg1-1~deb12u2"));
        assert_eq!(candidate_in("x:\n  Installed: (none)\n  Candidate: (none)\n"), None);
        assert_eq!(candidate_in(""), None);
    }

    #[test]
    fn dependencies_lose_versions_and_alternatives() {
        let record =
            "Package: x\nDepends: libc6 (>= 2.36), libllvm22 (>= 1:22), gcc | clang:any, python3:any\nSize: 1\n";
        assert_eq!(dependencies_in(record), ["libc6", "libllvm22", "gcc", "python3"]);
        assert!(dependencies_in("Package: x\nPre-Depends: y\n").is_empty());
    }

    #[test]
    fn the_mirror_is_debians_and_holds_the_whole_release() {
        let targets = "Docker main bookworm https://a.example/\n\
                       Debian main bookworm-updates http://b.example/debian/\n\
                       Debian contrib bookworm http://c.example/debian/\n\
                       Debian main bookworm http://d.example/debian/\n";
        assert_eq!(mirror_in(targets), Some("http://d.example/debian/"));
        assert_eq!(mirror_in("Ubuntu main noble http://e.example/ubuntu/\n"), None);
    }
}
