//! The thread that advances the engine's epoch while any plugin runs.
//!
//! Compiled code looks at the epoch at each function and loop, which is free; only this thread makes it move, so that a
//! plugin in an endless loop comes back to the host. It looks seldom ([`LOOK`]) while it finds no call under way, for to wake
//! costs more than a short call. When no plugin was called for some 200 ms ([`LOOKS_AWAKE`]) it goes to sleep until one is: an
//! idle daemon is not woken, and calls that follow each other closely wake nobody.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;

use wasmtime::EngineWeak;

/// How often a running call is looked at: often enough for limits of some 100 ms, seldom enough to cost nothing.
pub const TICK: Duration = Duration::from_millis(10);

/// How often it is looked whether a call is under way that will have to be looked at.
const LOOK: Duration = Duration::from_millis(50);

/// Looks without a call after which the ticker sleeps until one begins. Waking it for each call would cost more than the
/// call.
const LOOKS_AWAKE: u32 = 4;

/// Counts running calls. Sequentially consistent on purpose: either the ticker sees the call that begins, or the call
/// sees that the ticker sleeps.
#[derive(Default)]
struct Calls {
    running: AtomicUsize,
    /// Calls that ever began.
    begun: AtomicUsize,
    asleep: AtomicBool,
    ended: AtomicBool,
}

/// The thread, ended by drop.
pub(crate) struct Ticker {
    calls: Arc<Calls>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    pub(crate) fn start(engine: EngineWeak) -> std::io::Result<Self> {
        let calls = Arc::new(Calls::default());
        let shared = Arc::clone(&calls);
        let thread = thread::Builder::new().name("ctwarden-epoch".to_owned()).spawn(move || run(&shared, &engine))?;
        Ok(Self { calls, thread: Some(thread) })
    }

    /// Ticks until the guard is dropped.
    pub(crate) fn call(&self) -> Running<'_> {
        self.calls.running.fetch_add(1, Ordering::SeqCst);
        self.calls.begun.fetch_add(1, Ordering::Relaxed);
        if self.calls.asleep.load(Ordering::SeqCst)
            && let Some(thread) = self.thread()
        {
            thread.unpark();
        }
        Running(&self.calls)
    }

    fn thread(&self) -> Option<&Thread> {
        self.thread.as_ref().map(JoinHandle::thread)
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.calls.ended.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It cannot panic, and if it did there is nothing left that needs it.
            let _ = thread.join();
        }
    }
}

/// A call that runs.
pub(crate) struct Running<'a>(&'a Calls);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

fn run(calls: &Calls, engine: &EngineWeak) {
    let (mut begun, mut quiet, mut wait) = (0, 0, LOOK);
    while !calls.ended.load(Ordering::SeqCst) {
        thread::park_timeout(wait);
        let Some(engine) = engine.upgrade() else { return };
        engine.increment_epoch();
        let before = std::mem::replace(&mut begun, calls.begun.load(Ordering::Relaxed));
        let runs = calls.running.load(Ordering::SeqCst) > 0;
        wait = if runs { TICK } else { LOOK };
        quiet = if before == begun { quiet + 1 } else { 0 };
        if quiet >= LOOKS_AWAKE && !runs {
            quiet = 0;
            calls.asleep.store(true, Ordering::SeqCst);
            while calls.running.load(Ordering::SeqCst) == 0 && !calls.ended.load(Ordering::SeqCst) {
                thread::park();
            }
            calls.asleep.store(false, Ordering::SeqCst);
        }
    }
}
