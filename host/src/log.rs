//! The daemon's standard error: messages of the daemon itself and output of its plugins.
//!
//! The reader may be slow or absent. So no thread that decides or acts writes to standard error: a bounded queue passes
//! the lines to a separate thread. Lines that cannot be written are counted, and the count is reported as soon as
//! writing works again. A command that runs to its end without that thread writes its lines itself.

mod queue;

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use ctwarden_guest::LogStream;
use ctwarden_model::{PluginName, text};

use self::queue::{Queue, Speaker};

/// How long the program waits at its end for lines that are not written yet.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The queue to the thread; empty until the thread is started.
static QUEUE: OnceLock<Arc<Queue>> = OnceLock::new();

/// Starts the thread that writes lines. From then on panic messages take the same way: on a closed or full pipe, the
/// default panic handler would end or block the panicking thread.
///
/// # Errors
/// The thread cannot be started, or there is no standard error.
pub(crate) fn begin() -> io::Result<()> {
    let stderr = File::from(io::stderr().as_fd().try_clone_to_owned()?);
    let queue = Arc::new(Queue::default());
    let lines = Arc::clone(&queue);
    thread::Builder::new().name("ctwarden-log".to_owned()).spawn(move || write_lines(&lines, stderr))?;
    if QUEUE.set(queue).is_ok() {
        std::panic::set_hook(Box::new(|panic| say(&panic.to_string())));
    }
    Ok(())
}

/// Writes lines of the daemon itself, usually one.
pub(crate) fn say(lines: &str) {
    for line in lines.lines() {
        put(Speaker::Daemon, format!("ctwarden: {}", text::line(line)));
    }
}

/// Writes a line that a plugin wrote to its standard output or error.
pub(crate) fn plugin(name: &PluginName, stream: LogStream, line: &str) {
    let line = text::line(line);
    put(
        Speaker::Plugin,
        match stream {
            LogStream::Output => format!("{name}: {line}"),
            LogStream::Error => format!("{name}: error: {line}"),
        },
    );
}

/// Lines that could not be written since the start.
pub(crate) fn lost() -> u64 {
    QUEUE.get().map_or(0, |queue| queue.lost())
}

/// Waits a moment until everything is written.
pub(crate) fn flush() {
    if let Some(queue) = QUEUE.get() {
        queue.wait_until_empty(Instant::now() + LAST_WORDS);
    }
}

fn put(speaker: Speaker, mut line: String) {
    line.push('\n');
    match QUEUE.get() {
        Some(queue) => queue.put(speaker, line),
        // If standard error cannot be written, there is no other place for the line. One write, so that lines of
        // several programs do not mix.
        None => drop(io::stderr().lock().write_all(line.as_bytes())),
    }
}

fn write_lines(queue: &Queue, mut out: impl Write) {
    loop {
        let line = queue.take();
        if let Some(lost) = queue.untold() {
            let told = format!("ctwarden: {lost} lines could not be written here\n");
            if out.write_all(told.as_bytes()).is_ok() {
                queue.told(lost);
            }
        }
        let written = out.write_all(line.as_bytes()).is_ok();
        queue.written(&line, written);
    }
}
