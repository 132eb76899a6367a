//! Raises the maximum size of the kernel's table for the benchmark, and restores it at the end.
//!
//! `nf_conntrack_max` and the number of buckets belong to the whole machine, not to a network namespace
//! (`nf_conntrack_standalone.c` makes them read-only in all namespaces except the first). A change therefore affects
//! everybody on the machine. The benchmark prints the change, and also undoes it after an error or an interrupt.

use std::fs;
use std::path::Path;
use std::sync::Mutex;

use anyhow::{Context, Result};

const FOLDER: &str = "/proc/sys/net/netfilter";
const MAXIMUM: &str = "nf_conntrack_max";
const BUCKETS: &str = "nf_conntrack_buckets";

/// The switches to restore, each with its former value.
static SAVED: Mutex<Vec<(&str, u64)>> = Mutex::new(Vec::new());

/// Restores the switches when it is dropped.
#[derive(Debug)]
pub(crate) struct Ceiling(());

/// The least maximum. It leaves room for what lines add to the large table: above all, floods of flows.
const LEAST_MAXIMUM: u64 = 1 << 22;

/// Makes room for a table with this number of entries, and as many buckets. Leaves larger values alone. The calling
/// thread must be in the machine's first network namespace.
pub(crate) fn raise(entries: u64) -> Result<Ceiling> {
    let ceiling = Ceiling(());
    // A change of the number of buckets does not set the maximum (nf_conntrack_hash_resize), so the order does not
    // matter.
    let maximum = entries.saturating_mul(2).max(LEAST_MAXIMUM);
    for (switch, wanted) in [(BUCKETS, entries.next_power_of_two()), (MAXIMUM, maximum)] {
        let present = read(switch)?;
        // A maximum of 0 means no limit.
        if present >= wanted || present == 0 && switch == MAXIMUM {
            continue;
        }
        saved().push((switch, present));
        write(switch, wanted)?;
        println!("{switch} applies to the whole machine: raised from {present} to {wanted}, restored at the end");
    }
    Ok(ceiling)
}

impl Ceiling {
    /// Restores the switches and prints that.
    pub(crate) fn restore(self) -> Result<()> {
        restore()
    }
}

impl Drop for Ceiling {
    fn drop(&mut self) {
        if let Err(error) = restore() {
            eprintln!("bench: {error:#}");
        }
    }
}

/// Restores the switches without the guard, after an interrupt.
pub(crate) fn restore() -> Result<()> {
    let mut first = Ok(());
    for (switch, value) in saved().drain(..).rev() {
        let put = write(switch, value).with_context(|| {
            format!("{switch} was {value} and could not be restored; as root: sysctl -w net.netfilter.{switch}={value}")
        });
        if put.is_ok() {
            println!("{switch} is {value} again");
        }
        first = first.and(put);
    }
    first
}

fn saved() -> std::sync::MutexGuard<'static, Vec<(&'static str, u64)>> {
    SAVED.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn read(switch: &str) -> Result<u64> {
    let path = Path::new(FOLDER).join(switch);
    let text = fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}; is nf_conntrack loaded? (modprobe nf_conntrack)", path.display()))?;
    text.trim().parse().with_context(|| format!("{} is not a number", path.display()))
}

fn write(switch: &str, value: u64) -> Result<()> {
    let path = Path::new(FOLDER).join(switch);
    fs::write(&path, value.to_string())
        .with_context(|| format!("cannot write {}; run as root in the machine's own network namespace", path.display()))
}
