//! The environment of the counts: the compiler, its target, and the C library that allocates and copies. The
//! environment is recorded with the counts, because other versions change the counts without a change of the source.

use std::process::Command;

use anyhow::{Context, Result};

use crate::process;

/// Compiler, target and C library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Circumstances {
    /// First line of `rustc --version --verbose`.
    pub(crate) rustc: String,
    pub(crate) target: String,
    /// The output of `getconf GNU_LIBC_VERSION`.
    pub(crate) libc: String,
}

impl Circumstances {
    pub(crate) fn here() -> Result<Self> {
        let said = process::read(Command::new("rustc").args(["--version", "--verbose"]))?;
        let rustc = said.lines().next().context("rustc prints no version")?;
        let target = said.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc prints no host")?;
        // Without a `GNU_LIBC_VERSION` the C library is not glibc.
        let libc =
            process::read(Command::new("getconf").arg("GNU_LIBC_VERSION")).unwrap_or_else(|_| "not glibc".into());
        Ok(Self { rustc: rustc.to_owned(), target: target.to_owned(), libc: libc.trim().to_owned() })
    }

    /// Describes the differences from the environment of the landed counts. Empty if there are none.
    pub(crate) fn differences(&self, here: &Self) -> String {
        let pairs = [(&self.rustc, &here.rustc), (&self.target, &here.target), (&self.libc, &here.libc)];
        let differ = pairs.into_iter().filter(|(landed, here)| landed != here);
        let said: Vec<String> = differ
            .map(|(landed, here)| format!("the landed counts are of `{landed}`, this machine has `{here}`"))
            .collect();
        said.join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_compiler_or_library_is_named() {
        let landed = Circumstances { rustc: "rustc 1".into(), target: "x".into(), libc: "glibc 2.36".into() };
        assert_eq!(landed.differences(&landed), "");
        let here = Circumstances { rustc: "rustc 2".into(), libc: "glibc 2.41".into(), ..landed.clone() };
        assert_eq!(
            landed.differences(&here),
            "the landed counts are of `rustc 1`, this machine has `rustc 2`; \
             the landed counts are of `glibc 2.36`, this machine has `glibc 2.41`"
        );
    }

    #[test]
    fn this_machine_has_all_of_them() {
        let here = Circumstances::here().unwrap();
        assert!(here.rustc.starts_with("rustc 1.") && !here.target.is_empty() && !here.libc.is_empty(), "{here:?}");
    }
}
