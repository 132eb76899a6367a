//! The environment of a test: a network namespace with conntrack switched on, and a private folder with a
//! configuration.
//!
//! A scenario makes the scene, starts the daemon in it and checks the results. Dropping the scene removes everything.

use std::fmt::Display;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tempfile::TempDir;

use crate::command::Said;
use crate::daemon::Daemon;
use crate::hash_table::{HashTable, Turn};
use crate::namespace::{Beside, Namespace, ip, set, switch_conntrack_on};
use crate::patience::eventually;
use crate::privilege::skip;
use crate::program::{component, ctwarden};
use crate::traffic::Udp;

/// The order of the fields matters: the folder is removed first, then the thread leaves the namespace, then other tests
/// have their turn.
#[derive(Debug)]
pub struct Scene {
    folder: TempDir,
    namespace: Namespace,
    _turn: Turn,
}

impl Scene {
    /// A new scene for the calling test. Its loopback has 2001:db8::1 and 2001:db8::2 in addition to 127.0.0.0/8, and
    /// accounting is on. Returns `None` if this process may not make a network namespace, and reports the skip.
    #[must_use]
    pub fn new() -> Option<Self> {
        Self::in_turn(Turn::among_others())
    }

    /// A new scene that no other test shares the machine with, for changes to the whole machine.
    #[must_use]
    pub fn alone() -> Option<Self> {
        Self::in_turn(Turn::alone())
    }

    fn in_turn(turn: Turn) -> Option<Self> {
        let namespace = match Namespace::enter() {
            Ok(namespace) => namespace,
            Err(reason) => {
                skip(&reason);
                return None;
            }
        };
        furnish();
        let folder = tempfile::Builder::new().prefix("ctwarden-").tempdir().expect("a private folder can be made");
        fs::set_permissions(folder.path(), Permissions::from_mode(0o700)).expect("the folder is ours");
        Some(Self { folder, namespace, _turn: turn })
    }

    /// The machine's hash table, which the test can resize. Only a scene that is alone may call this. Returns `None` if
    /// this process may not resize the table, and reports the skip.
    #[must_use]
    pub fn hash_table(&self) -> Option<HashTable<'_>> {
        let table = HashTable::of(&self.namespace);
        if table.is_none() {
            skip("only who is in the machine's first network namespace may resize the hash table");
        }
        table
    }

    /// A second namespace with the same setup, which shares nothing with this one.
    #[must_use]
    pub fn twin(&self) -> Beside {
        let twin = Beside::new();
        twin.run(|| {
            ip("link set lo up");
            furnish();
        });
        twin
    }

    /// A path in the private folder.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file into the private folder.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).expect("the folder can be written to");
        fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("the file is ours");
        path
    }

    /// Sets a switch of the namespace, named by its path below `/proc/sys/net`.
    pub fn set(&self, switch: &str, value: u32) {
        set(switch, value);
    }

    /// Runs `ip` in the namespace.
    pub fn ip(&self, arguments: &str) {
        ip(arguments);
    }

    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The path of the configuration.
    #[must_use]
    pub fn configuration(&self) -> PathBuf {
        self.path("ctwarden.toml")
    }

    #[must_use]
    pub fn control(&self) -> PathBuf {
        self.path("control.sock")
    }

    /// Writes the configuration; `text` is everything except `[daemon]`. Copies each component that a
    /// `path = "NAME.wasm"` names into the folder, unless a file with that name exists.
    pub fn configure(&self, text: impl Display) -> PathBuf {
        self.configure_daemon("", text)
    }

    /// Writes the configuration with more keys of `[daemon]`.
    pub fn configure_daemon(&self, daemon: &str, text: impl Display) -> PathBuf {
        let text = text.to_string();
        for name in text.lines().filter_map(component_of) {
            if !self.path(&format!("{name}.wasm")).exists() {
                self.write(&format!("{name}.wasm"), fs::read(component(name)).expect("components can be read"));
            }
        }
        let folder = self.folder.path().display();
        let own = format!(
            "[daemon]\ncontrol = \"{folder}/control.sock\"\nstate = \"{folder}/state\"\nrecords = \"{folder}/records.jsonl\"\n"
        );
        self.write("ctwarden.toml", format!("{own}{daemon}\n{text}"))
    }

    /// Starts the daemon with this configuration and waits until it runs.
    #[must_use]
    pub fn start(&self, text: impl Display) -> Daemon {
        self.configure(text);
        self.start_again()
    }

    /// Starts the daemon with this configuration and this standard error.
    #[must_use]
    pub fn start_saying(&self, text: impl Display, stderr: impl Into<Stdio>) -> Daemon {
        self.configure(text);
        Daemon::start_saying(self.folder.path(), stderr)
    }

    /// Starts the daemon of this program file with this configuration.
    #[must_use]
    pub fn start_program(&self, program: &Path, text: impl Display) -> Daemon {
        self.configure(text);
        Daemon::start_program(program, self.folder.path())
    }

    /// Starts the daemon with the configuration that the folder holds.
    #[must_use]
    pub fn start_again(&self) -> Daemon {
        Daemon::start(self.folder.path())
    }

    /// Runs a verb of the program to its end. `words` are its name and arguments, separated by blanks. `--config` with
    /// the configuration's path follows them.
    #[must_use]
    pub fn verb(&self, words: &str) -> Said {
        let mut command = ctwarden();
        command.args(words.split_whitespace()).arg("--config").arg(self.configuration());
        Said::of(command, "")
    }
}

/// Sets up what every namespace has besides its loopback.
fn furnish() {
    for address in ["2001:db8::1", "2001:db8::2"] {
        ip(&format!("addr add {address}/128 dev lo nodad"));
    }
    // The kernel takes a moment to use an IPv6 address and its route, even without duplicate address detection.
    eventually("the IPv6 addresses are there", || Udp::reach("2001:db8::1", "2001:db8::2"));
    switch_conntrack_on();
    set("netfilter/nf_conntrack_acct", 1);
}

/// The NAME of a line `path = "NAME.wasm"`.
fn component_of(line: &str) -> Option<&str> {
    let name = line.trim().strip_prefix("path")?.trim_start().strip_prefix('=')?.trim().strip_prefix('"')?;
    let name = name.strip_suffix(".wasm\"")?;
    Path::new(name).file_name().is_some_and(|file| file == name).then_some(name)
}
