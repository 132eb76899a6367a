//! The program that packages install as `conntrack`, compared with the program of conntrack-tools, with the same
//! arguments.
//!
//! Both write their listings to /dev/null. One check compares the whole outputs, without the seconds that count down.
//! The saved table is the peer's, because both programs must be able to read it.

use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::{Line, check};
use crate::command::{Ran, run, run_to_file};
use crate::figure::Figure;
use crate::options::Options;
use crate::population::{Group, Kind, mixed};
use crate::row::Row;
use crate::scratch;
use crate::world::World;

pub(crate) const LINE: Line = Line {
    name: "command",
    title: "our conntrack -L, -L -o xml, -L -s, -C, -D and -R beside conntrack-tools'",
    measure,
};

/// The largest saved table. The peer takes about 20 µs for each entry.
const SAVED: u64 = 100_000;

/// The number of runs of `-C` for each requested run.
const STARTS: usize = 40;

fn ours(options: &Options, words: &[&str]) -> Result<Ran> {
    run(options.conntrack()?, words)?.good("our conntrack")
}

/// Runs the same command inside the daemon's program.
fn verb(options: &Options, words: &[&str]) -> Result<Ran> {
    let words: Vec<&str> = std::iter::once("conntrack").chain(words.iter().copied()).collect();
    run(&options.program, &words)?.good("ctwarden conntrack")
}

fn theirs(words: &[&str]) -> Result<Ran> {
    run("conntrack", words)?.good("conntrack")
}

fn measure(options: &Options, tell: &mut dyn FnMut(Row)) -> Result<()> {
    let victims = Group { kind: Kind::Victim, count: options.entries / 10 };
    let rest = options.entries - victims.count;
    let mut world = World::with(&mixed(rest))?;
    world.fill(&[victims])?;
    let folder = scratch::folder()?;
    let source = Kind::client4().to_string();
    for (words, goal) in [(&["-L"] as &[&str], 1.5), (&["-L", "-o", "xml"], 1.5), (&["-L", "-s", &source], 1.0)] {
        tell(list(options, words, goal, folder.path())?);
    }
    tell(count(options, folder.path())?);
    let mark = format!("{:#x}", Kind::VICTIMS_MARK);
    for words in [["-D", "-m", &mark], ["-D", "-s", Kind::VICTIMS]] {
        tell(delete(options, &mut world, &words, victims)?);
    }
    drop(world);
    tell(load(options, folder.path())?);
    Ok(())
}

/// A row with the figures of both programs.
fn row(options: &Options, words: &[&str], mine: &[Duration], peers: &[Duration], goal: f64) -> Result<Row> {
    let words = words.join(" ");
    let (mine, peers) = Figure::wall(mine).zip(Figure::wall(peers)).context("nothing was measured")?;
    let row = Row::new(format!("conntrack {words} of {} entries", options.entries), mine);
    Ok(row.beside(format!("conntrack {words}"), peers, goal))
}

fn list(options: &Options, words: &[&str], goal: f64, folder: &Path) -> Result<Row> {
    let said = same(options, words, folder)?;
    let (mut mine, mut peers) = (Vec::new(), Vec::new());
    for _ in 0..options.runs {
        let (one, other) = (ours(options, words)?, theirs(words)?);
        check("entries that both say they listed", one.entries(), other.entries())?;
        mine.push(one.wall);
        peers.push(other.wall);
    }
    Ok(row(options, words, &mine, &peers, goal)?.checked(said))
}

/// `-C` is little more than the start of a program. It therefore runs more often, and also with the daemon's program.
fn count(options: &Options, folder: &Path) -> Result<Row> {
    let words = &["-C"];
    let said = same(options, words, folder)?;
    let (mut mine, mut peers, mut verbs) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..options.runs * STARTS {
        mine.push(ours(options, words)?.wall);
        peers.push(theirs(words)?.wall);
        verbs.push(verb(options, words)?.wall);
    }
    let row = row(options, words, &mine, &peers, 1.0)?.checked(said);
    let verbs = Figure::wall(&verbs).context("nothing was measured")?;
    Ok(row.beside("ctwarden conntrack -C", verbs, None))
}

fn delete(options: &Options, world: &mut World, words: &[&str], victims: Group) -> Result<Row> {
    let (mut mine, mut peers) = (Vec::new(), Vec::new());
    for _ in 0..options.runs {
        for ours_too in [true, false] {
            let ran = if ours_too { ours(options, words) } else { theirs(words) }?;
            check("entries that it deleted", ran.entries(), victims.count)?;
            check("entries that are left", world.kernel.entries()?, options.entries - victims.count)?;
            world.fill(&[victims])?;
            if ours_too { mine.push(ran.wall) } else { peers.push(ran.wall) }
        }
    }
    let row = row(options, words, &mine, &peers, 1.0)?;
    Ok(row.checked(format!("each deleted {} entries and left the others", victims.count)))
}

/// Checks that both programs print the same lines, in any order and without the seconds that count down.
fn same(options: &Options, words: &[&str], folder: &Path) -> Result<String> {
    let (mine, peers) = (folder.join("mine"), folder.join("peers"));
    run_to_file(options.conntrack()?, words, &mine)?.good("our conntrack")?;
    run_to_file("conntrack", words, &peers)?.good("conntrack")?;
    let (mine, peers) = (Digest::of(&mine)?, Digest::of(&peers)?);
    ensure!(mine == peers, "`{}` prints other lines than the peer: {mine:?} instead of {peers:?}", words.join(" "));
    Ok(format!("both print the same {} lines ({} bytes)", mine.lines, mine.bytes))
}

#[derive(Debug, PartialEq, Eq)]
struct Digest {
    lines: u64,
    bytes: u64,
    sum: u64,
}

impl Digest {
    fn of(file: &Path) -> Result<Self> {
        let mut digest = Self { lines: 0, bytes: 0, sum: 0 };
        let mut reader = BufReader::with_capacity(1 << 20, File::open(file).context("cannot open an output file")?);
        let mut line = String::new();
        while reader.read_line(&mut line)? > 0 {
            let timeless = without_seconds(&line);
            let mut hasher = DefaultHasher::new();
            timeless.hash(&mut hasher);
            digest.lines += 1;
            digest.bytes += timeless.iter().map(|part| part.len() as u64).sum::<u64>();
            digest.sum = digest.sum.wrapping_add(hasher.finish());
            line.clear();
        }
        Ok(digest)
    }
}

/// A line of text without its third word, or of XML without the content of `<timeout>`.
fn without_seconds(line: &str) -> [&str; 2] {
    if let Some((before, rest)) = line.split_once("<timeout>") {
        return [before, rest.split_once("</timeout>").map_or("", |(_, after)| after)];
    }
    let words = line.split_inclusive(' ').scan(0, |seen, word| {
        *seen += usize::from(!word.trim().is_empty());
        Some((*seen, word))
    });
    let length_of = |most: usize| words.clone().take_while(|(seen, _)| *seen <= most).map(|(_, word)| word.len()).sum();
    let (begin, end): (usize, usize) = (length_of(2), length_of(3));
    [line.get(..begin).unwrap_or(""), line.get(end..).unwrap_or("")]
}

/// `-R` of a saved table, into an empty table.
fn load(options: &Options, folder: &Path) -> Result<Row> {
    let entries = options.entries.min(SAVED);
    let saved = folder.join("saved");
    let mut world = World::with(&mixed(entries))?;
    run_to_file("conntrack", &["-L", "-o", "save"], &saved)?.good("conntrack -L -o save")?;
    let path = saved.to_str().context("the folder's name is not UTF-8")?;
    let (mut mine, mut peers) = (Vec::new(), Vec::new());
    let mut one = |world: &mut World, ours_too: bool| -> Result<()> {
        theirs(&["-F"])?;
        check("entries before a load", world.kernel.entries()?, 0)?;
        let ran = if ours_too { ours(options, &["-R", path]) } else { theirs(&["-R", path]) }?;
        check("entries after a load", world.kernel.entries()?, entries)?;
        if ours_too {
            mine.push(ran.wall)
        } else {
            peers.push(ran.wall)
        }
        Ok(())
    };
    for _ in 0..options.runs {
        one(&mut world, true)?;
        one(&mut world, false)?;
    }
    let (mine, peers) = (Figure::wall(&mine), Figure::wall(&peers));
    let (mine, peers) = mine.zip(peers).context("nothing was measured")?;
    let row = Row::new(format!("conntrack -R of {entries} entries"), mine).beside("conntrack -R", peers, 5.0);
    Ok(row.checked(format!("the empty table has {entries} entries after each load")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seconds_that_run_are_left_out() {
        let line = "tcp      6 431999 ESTABLISHED src=10.0.0.1 dst=10.0.0.2\n";
        assert_eq!(without_seconds(line).concat(), "tcp      6 ESTABLISHED src=10.0.0.1 dst=10.0.0.2\n");
        let xml = "<flow><meta><timeout>431999</timeout><mark>0</mark></meta></flow>\n";
        assert_eq!(without_seconds(xml).concat(), "<flow><meta><mark>0</mark></meta></flow>\n");
        assert_eq!(without_seconds("").concat(), "");
        assert_eq!(without_seconds("1203\n").concat(), "1203\n");
    }
}
