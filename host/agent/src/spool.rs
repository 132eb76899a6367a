//! Alerts that wait on the disk, one file each, in their order.
//!
//! They outlive the agent, because the receiver may be gone longer than the agent runs.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

const END: &str = ".json";
const UNFINISHED: &str = ".new";

#[derive(Debug)]
pub(crate) struct Spool {
    folder: PathBuf,
    /// Numbers of the files, the oldest first.
    waiting: VecDeque<u64>,
    next: u64,
    most: usize,
}

impl Spool {
    /// Opens the folder, makes it if it is missing, and finds what waits there.
    pub(crate) fn open(folder: &Path, most: usize) -> Result<Self> {
        let of = || format!("cannot use the spool {}; name another folder with --spool", folder.display());
        fs::create_dir_all(folder).with_context(of)?;
        let mut waiting = Vec::new();
        for file in fs::read_dir(folder).with_context(of)? {
            let path = file.with_context(of)?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if let Some(number) = name.strip_suffix(END).and_then(|number| number.parse().ok()) {
                waiting.push(number);
            } else if name.ends_with(UNFINISHED) {
                // The agent died while it wrote it.
                fs::remove_file(&path).with_context(of)?;
            }
        }
        waiting.sort_unstable();
        let next = waiting.last().map_or(0, |last: &u64| last.saturating_add(1));
        Ok(Self { folder: folder.to_owned(), waiting: waiting.into(), next, most })
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Adds an alert. Returns false if there is no room.
    pub(crate) fn push(&mut self, content: &str) -> io::Result<bool> {
        if self.waiting.len() >= self.most {
            return Ok(false);
        }
        let number = self.next;
        let unfinished = self.folder.join(format!("{number:020}{UNFINISHED}"));
        let mut file = File::create(&unfinished)?;
        file.write_all(content.as_bytes())?;
        file.sync_data()?;
        fs::rename(&unfinished, self.path(number))?;
        self.next = number.saturating_add(1);
        self.waiting.push_back(number);
        Ok(true)
    }

    /// The oldest alert. A file that has vanished is skipped.
    pub(crate) fn first(&mut self) -> io::Result<Option<String>> {
        while let Some(number) = self.waiting.front() {
            match fs::read_to_string(self.path(*number)) {
                Ok(content) => return Ok(Some(content)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => drop(self.waiting.pop_front()),
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Removes the oldest alert.
    pub(crate) fn pop(&mut self) -> io::Result<()> {
        match self.waiting.pop_front() {
            Some(number) => fs::remove_file(self.path(number)),
            None => Ok(()),
        }
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{number:020}{END}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_keep_their_order_and_outlive_the_agent() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(folder.path(), 2).unwrap();
        assert!(spool.push("one").unwrap() && spool.push("two").unwrap());
        assert!(!spool.push("three").unwrap(), "there is no room");
        fs::write(folder.path().join("7.new"), "half").unwrap();
        drop(spool);
        let mut spool = Spool::open(folder.path(), 2).unwrap();
        assert_eq!((spool.len(), spool.first().unwrap().as_deref()), (2, Some("one")));
        spool.pop().unwrap();
        assert!(spool.push("four").unwrap());
        let mut rest = Vec::new();
        while let Some(content) = spool.first().unwrap() {
            rest.push(content);
            spool.pop().unwrap();
        }
        assert_eq!(rest, ["two", "four"]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
