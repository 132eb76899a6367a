//! Standard output and error of a plugin: bytes in, bounded log lines out.
//!
//! A plugin may write at any time and any amount. The log gets whole lines, and a limited number for each call. The end
//! of standard error is kept because it says why a plugin panicked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::pipe::SinkOutputStream;
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use crate::{Host, Limits, LogStream, text};

/// Longest log line in bytes. A longer line is split.
pub const LOG_LINE_BYTES: usize = 1024;

/// Bytes of standard error that are kept for the text of a panic.
const TAIL_BYTES: usize = 4096;

/// Most bytes of one write, which bounds what a write can make the host hold.
const WRITE_BYTES: usize = 4096;

/// The output of the running call.
pub(crate) struct Console {
    lines_limit: usize,
    bytes_limit: usize,
    lines: Vec<(LogStream, String)>,
    bytes: usize,
    left_out: u64,
    output: Vec<u8>,
    error: Vec<u8>,
    tail: VecDeque<u8>,
}

impl Console {
    pub(crate) const fn new(limits: &Limits) -> Self {
        Self {
            lines_limit: limits.log_lines_per_call,
            bytes_limit: limits.log_bytes_per_call,
            lines: Vec::new(),
            bytes: 0,
            left_out: 0,
            output: Vec::new(),
            error: Vec::new(),
            tail: VecDeque::new(),
        }
    }

    fn write(&mut self, stream: LogStream, written: &[u8]) {
        if stream == LogStream::Error {
            self.tail.extend(written);
            let over = self.tail.len().saturating_sub(TAIL_BYTES);
            self.tail.drain(..over);
        }
        for &byte in written {
            let pending = match stream {
                LogStream::Output => &mut self.output,
                LogStream::Error => &mut self.error,
            };
            if byte != b'\n' {
                pending.push(byte);
            }
            if byte == b'\n' || pending.len() >= LOG_LINE_BYTES {
                self.end_line(stream);
            }
        }
    }

    /// Turns the pending bytes of the stream into a line, unless there are too many lines.
    fn end_line(&mut self, stream: LogStream) {
        let pending = match stream {
            LogStream::Output => &mut self.output,
            LogStream::Error => &mut self.error,
        };
        let bytes = self.bytes.saturating_add(pending.len());
        if pending.iter().all(u8::is_ascii_whitespace) {
            // Drop empty lines: a panic message begins with one.
        } else if self.lines.len() >= self.lines_limit || bytes > self.bytes_limit {
            self.left_out = self.left_out.saturating_add(1);
        } else {
            self.bytes = bytes;
            let line = String::from_utf8_lossy(pending).trim_end().to_owned();
            self.lines.push((stream, text::line(line, LOG_LINE_BYTES)));
        }
        pending.clear();
    }

    /// Returns the end of standard error in this call.
    pub(crate) fn tail(&mut self) -> String {
        String::from_utf8_lossy(self.tail.make_contiguous()).into_owned()
    }

    /// Sends all lines to the log and clears the console.
    pub(crate) fn flush(&mut self, host: &mut dyn Host) {
        if self.lines.is_empty() && self.left_out == 0 && self.output.is_empty() && self.error.is_empty() {
            self.tail.clear();
            return;
        }
        self.end_line(LogStream::Output);
        self.end_line(LogStream::Error);
        for (stream, line) in self.lines.drain(..) {
            host.log(stream, &line);
        }
        if self.left_out > 0 {
            host.log(LogStream::Error, &format!("({} more lines in one call were left out)", self.left_out));
        }
        self.left_out = 0;
        self.bytes = 0;
        self.tail.clear();
    }
}

/// The console, shared by the host, which empties it after a call, and the plugin's streams.
#[derive(Clone)]
pub(crate) struct SharedConsole(Arc<Mutex<Console>>);

impl SharedConsole {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self(Arc::new(Mutex::new(Console::new(limits))))
    }

    /// Locks the console. A poisoned lock is harmless here.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Console> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the plugin's standard output or standard error.
    pub(crate) fn stream(&self, stream: LogStream) -> Stream {
        Stream { console: self.clone(), stream }
    }
}

/// One of the two streams. It accepts every write at once and is always ready.
#[derive(Clone)]
pub(crate) struct Stream {
    console: SharedConsole,
    stream: LogStream,
}

impl IsTerminal for Stream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Stream {
    /// Nothing calls this: WASI 0.2 uses the other method.
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        SinkOutputStream.async_stream()
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait]
impl Pollable for Stream {
    async fn ready(&mut self) {}
}

#[async_trait]
impl OutputStream for Stream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.console.lock().write(self.stream, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_BYTES)
    }
}
