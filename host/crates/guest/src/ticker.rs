//! The thread that advances the engine's epoch while any plugin runs.
//!
//! Compiled code checks the epoch at each function and loop, which is free. Only this thread advances the epoch, and
//! that returns control to the host even from an endless loop. The thread wakes seldom ([`LOOK`]) while it finds no
//! call in progress, because a wake-up costs more than a short call. After some 200 ms ([`LOOKS_AWAKE`]) without a call
//! it sleeps until the next call. So an idle daemon has no wake-ups, and calls in close succession wake no thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;

use wasmtime::EngineWeak;

/// How often a running call is checked: often enough for limits of some 100 ms, seldom enough to cost nothing.
pub const TICK: Duration = Duration::from_millis(10);

/// How often the ticker looks for a call in progress that needs checks.
const LOOK: Duration = Duration::from_millis(50);

/// Looks without a call after which the ticker sleeps until a call begins. Waking it for each call would cost more than
/// the call.
const LOOKS_AWAKE: u32 = 4;

/// Counts running calls. The sequentially consistent order is necessary: either the ticker sees the call that begins,
/// or the call sees that the ticker sleeps.
#[derive(Default)]
struct Calls {
    running: AtomicUsize,
    /// Number of calls that ever began.
    begun: AtomicUsize,
    asleep: AtomicBool,
    ended: AtomicBool,
}

/// The ticker thread. Drop ends it.
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
            // The thread cannot panic. If it did, nothing would depend on it any more.
            let _ = thread.join();
        }
    }
}

/// A call in progress.
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
