//! Describes the machine. A figure means nothing without this description.

use std::fmt;
use std::fs;
use std::process::Command;

use anyhow::Result;
use serde::Serialize;

use crate::options::Options;

/// The properties that figures depend on.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    /// The model of the processor.
    processor: String,
    /// The number of processors.
    processors: usize,
    /// The memory in bytes.
    memory_bytes: u64,
    /// The release of the kernel.
    kernel: String,
    /// The version that the peer reports.
    peer: String,
    /// The version that ctwarden reports.
    ctwarden: String,
    /// The program that was measured.
    program: String,
    /// The load average of the last minute when the benchmark began. Above a few tenths, other programs were at work.
    load: f64,
}

impl Machine {
    pub(crate) fn look(options: &Options) -> Result<Self> {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let (cpu, memory) = (read("/proc/cpuinfo"), read("/proc/meminfo"));
        let field = |text: &str, name: &str| {
            let line = text.lines().find(|line| line.starts_with(name));
            line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim().to_owned())
        };
        let kib = field(&memory, "MemTotal").and_then(|value| value.split(' ').next()?.parse::<u64>().ok());
        Ok(Self {
            processor: field(&cpu, "model name").unwrap_or_else(|| "unknown".to_owned()),
            processors: std::thread::available_parallelism()?.get(),
            memory_bytes: kib.unwrap_or(0) * 1024,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            peer: said(Command::new("conntrack").arg("--version")),
            ctwarden: said(Command::new(&options.program).arg("--version")),
            program: options.program.display().to_string(),
            load: read("/proc/loadavg").split(' ').next().and_then(|load| load.parse().ok()).unwrap_or(0.0),
        })
    }
}

fn said(command: &mut Command) -> String {
    let output = command.output().map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    output.unwrap_or_else(|error| format!("not there ({error})"))
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { processor, processors, memory_bytes, kernel, peer, ctwarden, program, load } = self;
        writeln!(f, "{processors} × {processor}, {} GiB, Linux {kernel}, load {load}", memory_bytes >> 30)?;
        writeln!(f, "{ctwarden} ({program}) beside {peer}")
    }
}
