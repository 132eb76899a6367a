//! The files of the demo's daemon: a private directory with a configuration, policies and a ban list.

use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use ctwarden_lab::{BLOCKED_IPV4, BLOCKED_IPV6, TABLE};

/// Number of connections that one source may have to the capped service.
pub(super) const CAP: u32 = 20;
/// A protected address. The demo bans it, and the daemon must not act on its flows.
pub(super) const MANAGEMENT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// Port of the capped service.
pub(super) const CAPPED_PORT: u16 = 8080;

/// A directory that is removed when the value is dropped.
pub(super) struct DaemonFiles {
    directory: PathBuf,
}

impl DaemonFiles {
    /// Creates the directory, with copies of the policies in `plugins`.
    pub(super) fn create(plugins: &Path) -> Result<Self> {
        let directory = std::env::temp_dir().join(format!("ctwarden-demo-{}", std::process::id()));
        let make = || fs::DirBuilder::new().mode(0o700).create(&directory);
        make().with_context(|| format!("cannot make {}", directory.display()))?;
        let files = Self { directory };
        for policy in ["ban-follower", "mark-by-service", "connection-cap"] {
            let file = plugins.join(policy).with_extension("wasm");
            let copy = files.path(policy).with_extension("wasm");
            fs::copy(&file, &copy)
                .and_then(|_| fs::set_permissions(&copy, fs::Permissions::from_mode(0o600)))
                .with_context(|| format!("cannot copy {}; build it with: cargo xtask guests", file.display()))?;
        }
        files.write("banned.txt", "# one address or network a line\n")?;
        files.write("ctwarden.toml", &files.configuration())?;
        Ok(files)
    }

    pub(super) fn configuration_file(&self) -> PathBuf {
        self.path("ctwarden.toml")
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.path("control.sock")
    }

    pub(super) fn records(&self) -> PathBuf {
        self.path("records.jsonl")
    }

    /// Replaces the ban list with a list of this one network.
    pub(super) fn ban_in_file(&self, network: &str) -> io::Result<()> {
        fs::write(self.path("banned.txt"), format!("# one address or network a line\n{network}\n"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.path(name);
        fs::write(&path, text)
            .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o600)))
            .with_context(|| format!("cannot write {}", path.display()))
    }

    fn configuration(&self) -> String {
        let directory = self.directory.display();
        format!(
            r#"
[daemon]
control = "{directory}/control.sock"
state = "{directory}/state"
records = "{directory}/records.jsonl"

# What no policy may touch, whatever it says.
[[protect]]
comment = "the management host"
either = ["{MANAGEMENT}"]

[sets.banned]
file = "banned.txt"
allow-empty = true
table = "{TABLE}"
ipv4 = "{BLOCKED_IPV4}"
ipv6 = "{BLOCKED_IPV6}"

[[plugin]]
name = "ban-follower"
path = "ban-follower.wasm"
mode = "enforce"
allow = ["delete", "block", "unblock", "alert", "sweep"]
block-sets = ["banned"]
read-sets = ["banned"]
[plugin.config]
sets = ["banned"]
block-set = "banned"

[[plugin]]
name = "mark-by-service"
path = "mark-by-service.wasm"
mode = "enforce"
allow = ["mark"]
mark-mask = "0xff"
[[plugin.config.rules]]
name = "web"
protocols = ["tcp"]
ports = ["443"]
mark = "0x10/0xff"
[[plugin.config.rules]]
name = "dns"
protocols = ["udp"]
ports = ["53"]
mark = "0x20/0xff"
[[plugin.config.rules]]
name = "ping"
protocols = ["icmp", "icmpv6"]
mark = "0x30/0xff"

[[plugin]]
name = "connection-cap"
path = "connection-cap.wasm"
mode = "enforce"
allow = ["delete", "alert", "sweep"]
[plugin.config]
limit = {CAP}
protocols = ["tcp"]
ports = ["{CAPPED_PORT}"]
action = "delete"
"#
        )
    }
}

impl Drop for DaemonFiles {
    fn drop(&mut self) {
        // The directory is private, and the system removes the rest later.
        drop(fs::remove_dir_all(&self.directory));
    }
}
