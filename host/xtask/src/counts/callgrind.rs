//! Counts instructions under callgrind, a simulated processor that is the same on each machine.
//!
//! A body makes its inputs, does one round to fill buffers, and then a round in the function that callgrind counts.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::process;

/// The counted function of the program. Its callees count too.
const FUNCTION: &str = "*counted_round*";

/// glibc copies and compares with the widest instructions of the processor, and callgrind reports the features of the
/// real one. Without these features all x86-64 processors behave the same (`info libc`, "Hardware Capability
/// Tunables").
const PLAIN_PROCESSOR: &str = "glibc.cpu.hwcaps=-AVX2,-AVX_Fast_Unaligned_Load,-ERMS,-BMI2,-MOVBE";

/// A body of the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Body {
    pub(crate) name: String,
    /// Description of one operation, as shown to the user.
    pub(crate) operation: String,
}

/// The count of a body.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Count {
    pub(crate) body: Body,
    /// Instructions of one operation, averaged over the round.
    pub(crate) instructions: f64,
}

impl Count {
    pub(crate) fn into_pair(self) -> (String, f64) {
        (self.body.name, self.instructions)
    }
}

/// The bodies of the program.
pub(crate) fn bodies(program: &Path) -> Result<Vec<Body>> {
    let list = process::read(&mut Command::new(program))?;
    let body = |line: &str| {
        let (name, operation) = line.split_once('\t').with_context(|| format!("no tab in `{line}`"))?;
        Ok(Body { name: name.to_owned(), operation: operation.to_owned() })
    };
    list.lines().map(body).collect()
}

/// Runs one body. The profile stays in the folder, as `NAME.callgrind`.
pub(crate) fn count(program: &Path, body: &Body, folder: &Path) -> Result<Count> {
    let profile = folder.join(format!("{}.callgrind", body.name));
    let log = folder.join(format!("{}.log", body.name));
    let mut valgrind = Command::new(process::find("valgrind").unwrap_or_else(|| "valgrind".into()));
    valgrind.args(["--tool=callgrind", &format!("--toggle-collect={FUNCTION}")]);
    valgrind.arg(option("--callgrind-out-file=", &profile)).arg(option("--log-file=", &log));
    // Clears the caller's environment: it lies on the stack and moves the program's data there.
    valgrind.arg(program).arg(&body.name).env_clear().env("GLIBC_TUNABLES", PLAIN_PROCESSOR);
    let operations = process::read(&mut valgrind)?;
    let operations: u32 =
        operations.trim().parse().with_context(|| format!("not a number of operations: `{operations}`"))?;
    let said = std::fs::read_to_string(&log).with_context(|| format!("cannot read {}", log.display()))?;
    let collected =
        collected(&said).with_context(|| format!("callgrind counted no instructions: {}", log.display()))?;
    Ok(Count { body: body.clone(), instructions: collected as f64 / f64::from(operations) })
}

fn option(name: &str, path: &Path) -> std::ffi::OsString {
    let mut option = std::ffi::OsString::from(name);
    option.push(path);
    option
}

/// The number of `==1== Collected : 123`; `None` if it is 0, because no round takes no instructions.
fn collected(log: &str) -> Option<u64> {
    let number = log.lines().find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok())?;
    (number > 0).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_found_in_what_callgrind_says() {
        let log = "==7== Callgrind, a call-graph generating cache profiler\n==7== \n==7== Events    : Ir\n\
                   ==7== Collected : 789138\n==7== \n==7== I   refs:      789,138\n";
        assert_eq!(collected(log), Some(789_138));
        assert_eq!(collected("==7== Collected : 0\n"), None, "the function was not met");
        assert_eq!(collected("==7== Events    : Ir\n"), None);
    }
}
