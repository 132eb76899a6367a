//! The example policy: its tests, its component, and the `ctwarden try` of its README. The example is outside the
//! workspace, so no other task would notice that it no longer compiles.

use std::fs::{self, Permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::progress::Progress;
use crate::toolchain::{Origin, Target, Toolchain, bare_cargo};
use crate::{process, tree};

/// A part of the record of the connection to a closed port.
const VERDICT: &str = "\"action\":\"delete\",\"outcome\":\"observed\"";
/// Where cargo puts the component, below its output folder.
const COMPONENT: &str = "wasm32-wasip2/release/close_ports.wasm";

/// Builds, tests and tries the example. Needs the host program.
pub(crate) fn check(progress: &Progress, forced: Option<Origin>) -> Result<()> {
    let folder = tree::example();
    let toolchain = Toolchain::find(progress, Target::Component, forced)?;
    // The folder that the README's commands use.
    let output = toolchain.cargo_into(&folder.join("target"), Target::Component)?;
    process::run(output.cargo("build").args(["--locked", "--quiet", "--release"]).current_dir(&folder))
        .context("the example policy does not compile to a component")?;
    process::run(bare_cargo().args(["test", "--locked", "--quiet"]).current_dir(&folder))
        .context("the example policy fails its tests")?;
    let copy = std::env::temp_dir().join(format!("ctwarden-example-{}", std::process::id()));
    let tried = copy_example(&folder, &copy).and_then(|()| try_in(&copy));
    fs::remove_dir_all(&copy).with_context(|| format!("cannot remove {}", copy.display()))?;
    tried
}

/// Copies the example to a folder of this user. ctwarden loads only files that no other user could change, and root may
/// work in another user's tree.
fn copy_example(folder: &Path, copy: &Path) -> Result<()> {
    let release = copy.join("target").join(COMPONENT);
    let release = release.parent().context("the component has no folder")?;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(release)?;
    for name in ["ctwarden.toml", "table.txt", &format!("target/{COMPONENT}")] {
        let file = copy.join(name);
        fs::copy(folder.join(name), &file).with_context(|| format!("cannot copy {name} of the example policy"))?;
        fs::set_permissions(&file, Permissions::from_mode(0o600))?;
    }
    Ok(())
}

fn try_in(folder: &Path) -> Result<()> {
    let mut command = Command::new(tree::host_binary());
    command.args(["try", "--config", "ctwarden.toml", "table.txt"]).current_dir(folder);
    let records = process::read(&mut command).context("`ctwarden try` of the example policy failed")?;
    match records.lines().filter(|record| record.contains(VERDICT)).count() {
        1 => Ok(()),
        count => bail!("the example policy ends {count} connections of its table, not 1:\n{records}"),
    }
}
