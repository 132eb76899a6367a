//! From the start of the program with sixteen plugins, compiled earlier and cached, to the first judged dump entry.
//!
//! The sixteen plugins are the bundled policies and the policy that counts, repeated. Each has a custom section of its
//! own, so that each is a component of its own in the cache. The last plugin records the first dump entry that it
//! judges. The measured time ends when that record can be read.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use ctwarden_tests::Policy;
use nix::sys::signal::Signal;

use super::Line;
use crate::daemon::{Daemon, Records, last_words, spawn};
use crate::figure::Figure;
use crate::options::Options;
use crate::population::mixed;
use crate::row::{Of, Row};
use crate::world::World;

pub(crate) const LINE: Line =
    Line { name: "start", title: "start with 16 cached plugins until the first row is judged", measure };

const PLUGINS: usize = 16;
/// The number of runs for each requested run. One run takes a tenth of a second.
const MORE: usize = 4;
/// The first start compiles all plugins.
const PATIENCE: Duration = Duration::from_secs(300);

fn measure(options: &Options, tell: &mut dyn FnMut(Row)) -> Result<()> {
    let _world = World::with(&mixed(10_000))?;
    let folder = Daemon::prepare(&plugins())?;
    for number in 0..PLUGINS {
        let (component, _) = kind(number);
        let mut bytes = fs::read(options.component(component)?)?;
        bytes.extend(section(number));
        fs::write(folder.path().join(format!("p{number}.wasm")), bytes)?;
    }
    let compiled = start(options, &folder)?;
    let cached = count(&folder.path().join("state"))?;
    ensure!(cached >= PLUGINS, "{cached} files are in the state's folder; the plugins were not kept");
    let mut ours = Vec::new();
    for _ in 0..options.runs * MORE {
        ours.push(start(options, &folder)?);
    }
    let ours = Figure::wall(&ours).context("nothing was measured")?;
    let row = Row::new(format!("start with {PLUGINS} cached plugins"), ours).at_most(Of::Median, 0.1);
    let row = row.checked(format!("{PLUGINS} plugins with a component each; the last one told of the first row"));
    tell(row.note(format!("the first start, which compiled them, took {:.2} s", compiled.as_secs_f64())));
    Ok(())
}

fn kind(number: usize) -> (&'static str, &'static str) {
    match number % 4 {
        0 => ("ban-follower", "allow = [\"delete\", \"alert\", \"sweep\"]"),
        1 => ("connection-cap", "allow = [\"alert\", \"sweep\"]"),
        2 => ("mark-by-service", "allow = []"),
        _ => ("guest-tally", "allow = [\"log\", \"sweep\"]"),
    }
}

fn plugins() -> String {
    let plugin = |number: usize| {
        let (component, allow) = kind(number);
        let policy = Policy::new(&format!("p{number}"), &format!("p{number}")).key(allow);
        let policy = match component {
            "connection-cap" => policy.config("limit = 1000000"),
            "mark-by-service" => policy.config("[plugin.config.default]\nmark = \"0x0/0x1\""),
            "guest-tally" => policy.config(&format!("tell-first = {}", number + 1 == PLUGINS)),
            _ => policy,
        };
        policy.to_string()
    };
    (0..PLUGINS).map(plugin).collect()
}

/// A custom section (component model, `Binary.md`: id 0, size, name). It has no meaning, but makes the file different.
fn section(number: usize) -> [u8; 5] {
    [0, 3, 2, b'n', b'a' + u8::try_from(number % 26).unwrap_or_default()]
}

fn start(options: &Options, folder: &tempfile::TempDir) -> Result<Duration> {
    let begin = Instant::now();
    let mut running = spawn(options, folder)?;
    let mut records = Records::of(folder)?;
    while records.next(|line| line.contains("first-row"))?.is_none() {
        if let Some(status) = running.get().try_wait()? {
            bail!("the daemon ended with {status}: {}", last_words(folder));
        }
        ensure!(begin.elapsed() < PATIENCE, "no row was judged");
        sleep(Duration::from_micros(100));
    }
    let wall = begin.elapsed();
    running.signal(Signal::SIGTERM);
    running.get().wait()?;
    Ok(wall)
}

/// The number of files in a folder and its subfolders.
fn count(folder: &Path) -> Result<usize> {
    let mut files = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        files += if entry.file_type()?.is_dir() { count(&entry.path())? } else { 1 };
    }
    Ok(files)
}
