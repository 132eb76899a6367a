//! Which machine this is: a figure without it says nothing.

use std::fmt;
use std::fs;
use std::process::Command;

use anyhow::Result;
use serde::Serialize;

use crate::options::Options;

/// What figures depend on.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    /// Model of the processor.
    processor: String,
    /// How many of them.
    processors: usize,
    /// Memory, in bytes.
    memory_bytes: u64,
    /// Release of the kernel.
    kernel: String,
    /// What the peer says it is.
    peer: String,
    /// What ctwarden says it is.
    ctwarden: String,
    /// The program that was measured.
    program: String,
    /// Load of the last minute when the benchmark began; above a few tenths somebody else was at work.
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
