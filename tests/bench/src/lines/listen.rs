//! `-E` of the program that packages install as `conntrack`, and of conntrack-tools: the highest rate without loss with
//! a large buffer, and what each program prints with a default buffer.
//!
//! The peer sizes another socket than the one that it reads, so `-b` has no effect there.

use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use super::Line;
use super::events::listening;
use crate::command::run;
use crate::figure::{Figure, Unit};
use crate::listener::{Listener, sockets};
use crate::options::Options;
use crate::row::Row;
use crate::traffic::Flood;
use crate::world::World;

pub(crate) const LINE: Line = Line {
    name: "listen",
    title: "our conntrack -E beside conntrack-tools', with a large buffer and under load",
    measure,
};

const LARGE: &[&str] = &["-E", "-b", "8388608"];
/// The default size of a system.
const SMALL: &[&str] = &["-E", "-b", "212992"];
/// Far more events than a default buffer holds.
const STORM: u64 = 60_000;

fn measure(options: &Options, tell: &mut dyn FnMut(Row)) -> Result<()> {
    let program = options.conntrack()?;
    run(program, &["-C"])?.good("our conntrack")?;
    let ours = |words: &[&str]| {
        let mut command = Command::new(program);
        command.args(words);
        command
    };
    let theirs = |words: &[&str]| {
        let mut command = Command::new("conntrack");
        command.args(words);
        command
    };
    let (mut mine, mut peers) = (Vec::new(), Vec::new());
    for _ in 0..options.runs {
        mine.push(listening(|| ours(LARGE))?.rate);
        peers.push(listening(|| theirs(LARGE))?.rate);
    }
    let figure = |rates: Vec<f64>| Figure::of(Unit::EventsASecond, rates);
    if let (Some(mine), Some(peers)) = (figure(mine), figure(peers)) {
        let row = Row::new("conntrack -E -b 8388608, new flows a second without loss", mine);
        let row = row.beside("conntrack -E -b 8388608", peers, None);
        let row = row.note(storm("ours", ours(&["-E"]))?).note(storm("ours", ours(SMALL))?);
        tell(row.note(storm("the peer's", theirs(&["-E"]))?).note(storm("the peer's", theirs(SMALL))?));
    }
    Ok(())
}

/// What a listener with a default buffer does when far too many events come.
fn storm(whose: &str, command: Command) -> Result<String> {
    let _world = World::new()?;
    let mut flood = Flood::new()?;
    let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy().into_owned()).collect();
    let mut listener = Listener::start(command)?;
    flood.send(STORM, Duration::from_millis(300))?;
    std::thread::sleep(Duration::from_secs(2));
    let (lost, runs) = (sockets()?.dropped, listener.runs()?);
    let (_, said) = listener.end()?;
    let said = said.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("nothing").to_owned();
    let state = if runs { "goes on" } else { "has ended" };
    Ok(format!(
        "under {STORM} flows in 0.3 s {whose} `conntrack {}` {state} ({lost} messages dropped as the kernel counts); \
         it says: {said}",
        words.join(" ")
    ))
}
