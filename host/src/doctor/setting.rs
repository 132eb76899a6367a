//! Settings of the kernel as numbers, read from `/proc/sys`.
//!
//! Settings below `net` belong to the calling thread's network namespace. Some of them hold for the whole machine: every
//! namespace can read them, and only the first can write them.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, PermissionsExt};

/// The number; `None` if the kernel has no such setting or hides it from a user namespace.
pub(super) fn read(name: &str) -> Option<u64> {
    fs::read_to_string(path(name)).ok()?.trim().parse().ok()
}

/// A setting that is read repeatedly: its file is opened once. It belongs to the network namespace of the thread that reads
/// it first.
#[derive(Debug, Default)]
pub(super) struct Setting(Option<File>);

impl Setting {
    /// The number, as [`read`] gives it.
    pub(super) fn read(&mut self, name: &str) -> Option<u64> {
        if self.0.is_none() {
            self.0 = File::open(path(name)).ok();
        }
        let mut bytes = [0; 32];
        let length = self.0.as_ref()?.read_at(&mut bytes, 0).ok()?;
        std::str::from_utf8(bytes.get(..length)?).ok()?.trim().parse().ok()
    }
}

/// One of connection tracking's settings, by the part of its name after `net.netfilter.`.
pub(super) fn netfilter(name: &str) -> Option<u64> {
    read(&format!("net.netfilter.{name}"))
}

/// Whether a privileged process can set it in this namespace.
pub(super) fn is_writable(name: &str) -> bool {
    // The kernel clears the write bits in namespaces that may not write. These files are an exception to the rule that root
    // can write any file.
    fs::metadata(path(name)).is_ok_and(|file| file.permissions().mode() & 0o222 != 0)
}

/// The command that sets it, in the machine's first network namespace if this one may not.
pub(super) fn command(name: &str, value: u64) -> String {
    let elsewhere = if is_writable(name) { "" } else { "nsenter --target 1 --net " };
    format!("{elsewhere}sysctl -w {name}={value}")
}

fn path(name: &str) -> String {
    format!("/proc/sys/{}", name.replace('.', "/"))
}
