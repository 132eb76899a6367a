//! A program on a terminal: what a person would see, and keys that a person would press.
//!
//! The terminal is a pseudo-terminal, and the crate `vt100` draws its screen in memory. It is as large as a test says,
//! and its colours can be asked for.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use nix::pty::{OpenptyResult, Winsize, openpty};
use vt100::{Color, Parser};

use crate::patience::eventually;

/// A program that runs on a terminal. Dropping this value kills the program.
pub struct Terminal {
    child: Child,
    keys: File,
    screen: Arc<Mutex<Parser>>,
}

impl Terminal {
    /// Starts the program on a terminal of this size. The terminal is its controlling one, so keys such as Ctrl-C send
    /// signals.
    #[must_use]
    pub fn run(program: &Command, rows: u16, columns: u16) -> Self {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let OpenptyResult { master, slave } = openpty(Some(&size), None).expect("the machine has pseudo-terminals");
        let slave = File::from(slave);
        let side = || Stdio::from(slave.try_clone().expect("a file can be shared"));
        // Only a new session can have the terminal as its controlling one, and setsid(1) of util-linux arranges both.
        let mut command = Command::new("setsid");
        command.args(["--ctty", "--wait"]).arg(program.get_program()).args(program.get_args());
        for (name, value) in program.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if program.get_envs().all(|(name, _)| name != "TERM") {
            command.env("TERM", "xterm-256color");
        }
        command.stdin(side()).stdout(side()).stderr(side());
        let child = command.spawn().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
        // The command holds the other side of the terminal, which would never end.
        drop((command, slave));
        let keys = File::from(master);
        let mut output = keys.try_clone().expect("a file can be shared");
        let screen = Arc::new(Mutex::new(Parser::new(rows, columns, 10_000)));
        let drawn = Arc::clone(&screen);
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            // The read fails when the program has closed the terminal.
            while let Ok(length @ 1..) = output.read(&mut bytes) {
                lock(&drawn).process(&bytes[..length]);
            }
        });
        Self { child, keys, screen }
    }

    /// The lines of the screen, without blanks at their ends.
    #[must_use]
    pub fn screen(&self) -> String {
        lock(&self.screen).screen().contents()
    }

    /// Waits until the screen has what the test looks for, and returns what `sees` found.
    pub fn wait_for<T>(&self, what: &str, sees: impl Fn(&str) -> Option<T>) -> T {
        let found =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| eventually(what, || sees(&self.screen()))));
        found.unwrap_or_else(|_| panic!("{what}; the screen is\n{}", self.screen()))
    }

    /// Waits until the screen shows the text.
    pub fn wait_for_text(&self, text: &str) {
        self.wait_for(&format!("\"{text}\" on the screen"), |screen| screen.contains(text).then_some(()));
    }

    /// The colours of the text where it first stands on the screen; `None` if it does not stand there.
    #[must_use]
    pub fn colours(&self, text: &str) -> Option<Vec<Color>> {
        let parser = lock(&self.screen);
        let (rows, columns) = parser.screen().size();
        let lines: Vec<String> = parser.screen().rows(0, columns).collect();
        let (row, line) = lines.iter().enumerate().find(|(_, line)| line.contains(text))?;
        let first = line[..line.find(text)?].chars().count();
        let cells = (first..first + text.chars().count()).map(|column| {
            let place = (u16::try_from(row).expect("few rows"), u16::try_from(column).expect("few columns"));
            assert!(place.0 < rows && place.1 < columns, "the text is on the screen");
            parser.screen().cell(place.0, place.1).map_or(Color::Default, vt100::Cell::fgcolor)
        });
        Some(cells.collect())
    }

    /// Presses keys: characters, or sequences such as `\x03` for Ctrl-C and `\x1b[A` for the upper arrow.
    pub fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("the terminal is open");
    }

    /// Waits until the program ends.
    #[must_use]
    pub fn end(mut self) -> ExitStatus {
        eventually("the program ends", || self.child.try_wait().expect("a child can be waited for"))
    }
}

fn lock(screen: &Mutex<Parser>) -> MutexGuard<'_, Parser> {
    screen.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Closing the terminal hangs the program up. The child is setsid(1), which waits for the program.
        self.press_hang_up();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Terminal {
    /// Presses Ctrl-C, if the terminal is still open.
    fn press_hang_up(&mut self) {
        let _ = self.keys.write_all(b"\x03");
    }
}
