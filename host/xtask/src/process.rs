//! Runs other programs: passes their output through, reads it, or limits their time. Every error names the command line
//! that failed and shows the program's output.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

/// The cargo that runs this program, without the variables that it set for this program only.
///
/// With them, build scripts that watch `CARGO_PKG_*` or `CARGO_MANIFEST_*` would run again whenever cargo is started
/// alternately from here and from a shell.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    for (name, _) in std::env::vars_os() {
        let name_text = name.to_string_lossy();
        if name_text.starts_with("CARGO_PKG_") || name_text.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(&name);
        }
    }
    cargo
}

/// Runs the command with this program's own input and output; an error unless it succeeds.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| cannot_start(command))?;
    check(command, status, "")
}

/// Runs the command without showing its output, and returns its standard output. If the command fails, the error holds
/// the last lines of its output.
pub(crate) fn read(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().with_context(|| cannot_start(command))?;
    check(command, output.status, &String::from_utf8_lossy(&output.stderr))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs the command with this program's own output, and kills it when it takes longer than `limit`.
pub(crate) fn run_within(command: &mut Command, limit: Duration) -> Result<()> {
    let mut child = command.stdin(Stdio::null()).spawn().with_context(|| cannot_start(command))?;
    let end = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait()? {
            return check(command, status, "");
        }
        if Instant::now() >= end {
            child.kill()?;
            child.wait()?;
            bail!("`{}` was stopped after {} s", line(command), limit.as_secs());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Finds a program in `PATH` or in the folders for administrators that a user's `PATH` leaves out on Debian.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    search_path().map(|folder| folder.join(program)).find(|path| path.is_file())
}

/// `PATH` with the folders for administrators at its end.
pub(crate) fn full_path() -> Result<OsString> {
    std::env::join_paths(search_path()).context("cannot extend PATH")
}

fn search_path() -> impl Iterator<Item = PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.into_iter().chain(["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from))
}

fn check(command: &Command, status: ExitStatus, said: &str) -> Result<()> {
    if status.success() {
        return Ok(());
    }
    let said = last_lines(said, 12);
    let separator = if said.is_empty() { "" } else { ":\n" };
    Err(anyhow!("`{}` failed ({status}){separator}{said}", line(command)))
}

fn cannot_start(command: &Command) -> String {
    format!("cannot start `{}`", command.get_program().display())
}

/// The command as one would type it, without its environment.
fn line(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let words = std::iter::once(program.file_name().unwrap_or(program.as_os_str())).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines.get(lines.len().saturating_sub(count)..).unwrap_or_default().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut shell = Command::new("sh");
        shell.args(["-c", script]);
        shell
    }

    #[test]
    fn a_failure_names_the_command_and_what_it_said() {
        let error =
            read(&mut shell("echo out; echo first >&2; echo 'no such disk' >&2; exit 3")).unwrap_err().to_string();
        assert!(error.starts_with("`sh -c "), "{error}");
        assert!(error.ends_with("first\nno such disk"), "{error}");
        assert!(error.contains("exit status: 3"), "{error}");
    }

    #[test]
    fn a_program_that_hangs_is_stopped() {
        let start = Instant::now();
        let error = run_within(&mut shell("exec sleep 60"), Duration::from_millis(200)).unwrap_err().to_string();
        assert!(error.contains("was stopped after"), "{error}");
        assert!(start.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn a_program_in_time_keeps_its_status() {
        run_within(&mut shell("exit 0"), Duration::from_secs(60)).unwrap();
        assert!(run_within(&mut shell("exit 1"), Duration::from_secs(60)).is_err());
    }

    #[test]
    fn a_missing_program_is_named() {
        assert!(
            format!("{:#}", run(&mut Command::new("no-such-program-here")).unwrap_err())
                .contains("no-such-program-here")
        );
        assert_eq!(find("no-such-program-here"), None);
        assert!(find("sh").is_some());
    }

    #[test]
    fn the_last_lines_are_the_last() {
        assert_eq!(last_lines("a\nb\nc\n", 2), "b\nc");
        assert_eq!(last_lines("a", 5), "a");
        assert_eq!(last_lines("", 5), "");
    }
}
