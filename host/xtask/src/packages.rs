//! Programs of the system that a task needs, and the Debian packages that contain them. A task installs what is
//! missing; a machine that has everything is not touched, and root is not requested.

use std::fs;
use std::io::IsTerminal;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process;
use crate::progress::Progress;

/// A program and its purpose.
#[derive(Debug)]
pub(crate) struct Need {
    /// The program is searched in `PATH` and in the folders for administrators.
    pub(crate) program: &'static str,
    /// Debian packages that contain the program.
    pub(crate) packages: &'static [&'static str],
    /// Completes the sentence "… is needed to".
    pub(crate) purpose: &'static str,
}

/// What compiling needs in addition to Rust itself.
pub(crate) const BUILD: &[Need] = &[Need {
    program: "cc",
    packages: &["gcc", "libc6-dev"],
    purpose: "link programs and to compile wasmtime's C parts",
}];

/// Programs with which the tests look at the kernel from outside.
pub(crate) const TEST: &[Need] = &[
    Need {
        program: "conntrack",
        packages: &["conntrack"],
        purpose: "have an independent witness of the kernel's table",
    },
    Need { program: "nft", packages: &["nftables"], purpose: "load rules in the tests' network namespaces" },
    Need {
        program: "iptables-nft",
        packages: &["iptables"],
        purpose: "load rules of iptables, which ctwarden doctor has to see as well",
    },
    Need { program: "ip", packages: &["iproute2"], purpose: "make network namespaces" },
    Need { program: "groff", packages: &["groff-base"], purpose: "check the manual page of the conntrack command" },
    Need {
        program: "prometheus",
        packages: &["prometheus"],
        purpose: "have the metrics scraped and the alert rules checked",
    },
    Need { program: "rsyslogd", packages: &["rsyslog"], purpose: "have records collected as RFC 5424" },
    Need { program: "sysctl", packages: &["procps"], purpose: "set the kernel's conntrack switches" },
];

/// The peers of the benchmark that no test needs.
pub(crate) const BENCH: &[Need] = &[Need {
    program: "ipset",
    packages: &["ipset"],
    purpose: "load a list of networks beside ctwarden's address set",
}];

/// The compiler of the fuzzer's runtime.
pub(crate) const FUZZ: &[Need] =
    &[Need { program: "c++", packages: &["g++"], purpose: "compile the fuzzer's runtime" }];

/// The compiler of the kept component in C.
pub(crate) const C: &[Need] = &[
    Need {
        program: "clang",
        packages: &["clang", "libclang-rt-dev-wasm32", "wasi-libc"],
        purpose: "compile the policy in C",
    },
    Need { program: "wasm-ld", packages: &["lld"], purpose: "link the policy in C" },
];

/// What builds components of JavaScript and Python.
pub(crate) const LANGUAGES: &[Need] = &[
    Need { program: "npm", packages: &["nodejs", "npm"], purpose: "build the policy in JavaScript" },
    Need { program: "pip3", packages: &["python3", "python3-pip"], purpose: "build the policy in Python" },
];

pub(crate) const COUNT: &[Need] = &[Need {
    program: "valgrind",
    packages: &["valgrind"],
    purpose: "count instructions, which other load on the machine does not change",
}];

/// Installs what is missing; does nothing if nothing is missing.
pub(crate) fn ensure(progress: &Progress, needs: &[&[Need]]) -> Result<()> {
    let missing: Vec<&Need> =
        needs.iter().copied().flatten().filter(|need| process::find(need.program).is_none()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = missing.iter().flat_map(|need| need.packages.iter().copied()).collect();
    let Some(prefix) = administrator()? else { bail!("{}", way_out(&missing)) };
    progress.say(&format!("installing {}", packages.join(", ")));
    apt_get(prefix, &["update"]).and_then(|()| apt_get(prefix, &install(&packages))).with_context(|| way_out(&missing))
}

/// The command prefix with which `apt-get` may install packages. `None` if this process cannot install.
fn administrator() -> Result<Option<&'static [&'static str]>> {
    if process::find("apt-get").is_none() {
        return Ok(None);
    }
    // The owner of /proc/self is the effective user of this process.
    if fs::metadata("/proc/self").context("cannot read /proc/self")?.uid() == 0 {
        return Ok(Some(&[]));
    }
    let can_ask = std::io::stdin().is_terminal();
    let sudo = process::find("sudo").is_some()
        && (can_ask || process::read(Command::new("sudo").args(["-n", "true"])).is_ok());
    Ok(sudo.then_some(&["sudo"]))
}

fn install<'a>(packages: &[&'a str]) -> Vec<&'a str> {
    ["install", "-y", "--no-install-recommends"].into_iter().chain(packages.iter().copied()).collect()
}

fn apt_get(prefix: &[&str], arguments: &[&str]) -> Result<()> {
    // `env` because sudo drops variables. apt-get waits for the lock, because a fresh machine often updates itself.
    let line = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-o", "DPkg::Lock::Timeout=120"];
    let mut words = prefix.iter().copied().chain(line).chain(arguments.iter().copied());
    let program = words.next().unwrap_or("apt-get");
    process::read(Command::new(program).args(words)).map(drop)
}

fn way_out(missing: &[&Need]) -> String {
    let reasons: Vec<String> =
        missing.iter().map(|need| format!("`{}` is needed to {}", need.program, need.purpose)).collect();
    let packages: Vec<&str> = missing.iter().flat_map(|need| need.packages.iter().copied()).collect();
    format!(
        "{}; as root run: apt-get install {} (or your system's packages of that kind)",
        reasons.join(", "),
        packages.join(" ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_missing_needs_nobody() {
        let needs = [Need { program: "sh", packages: &["dash"], purpose: "run scripts" }];
        ensure(&Progress::new(), &[&needs]).unwrap();
    }

    #[test]
    fn the_way_out_is_one_line_with_reason_and_command() {
        let line = way_out(&TEST.iter().take(2).collect::<Vec<_>>());
        assert!(line.contains("`nft` is needed to load rules"), "{line}");
        assert!(line.contains("apt-get install conntrack nftables"), "{line}");
        assert!(!line.contains('\n'));
    }
}
