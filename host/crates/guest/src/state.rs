//! The host's state of one running instance: its limits and what it has used of them, its WASI context, and the host
//! that answers its calls.
//!
//! It is the data of wasmtime's store, which every imported function receives.

use ctwarden_model::{Entries, Event};
use wasmtime::StoreContextMut;
use wasmtime_wasi::{ResourceTable, WasiCtx, WasiCtxView, WasiView};

use crate::budget::Budget;
use crate::console::SharedConsole;
use crate::limiter::Limiter;
use crate::stop::Stop;
use crate::waits::Waits;
use crate::weight::Weight;
use crate::{Host, Limits, LogStream};

/// Host memory for one verdict, without its texts and lists.
pub(crate) const VERDICT_BYTES: usize = 640;

/// Most random bytes in one call. A hash map requests 16.
const RANDOM_BYTES_MAX: u64 = 64 << 10;

/// Data of the store of one instance.
pub(crate) struct State {
    limits: Limits,
    limiter: Limiter,
    budget: Budget,
    console: SharedConsole,
    host: Box<dyn Host>,
    wasi: WasiCtx,
    pub(crate) waits: Waits,
    pub(crate) resources: ResourceTable,
    judged: Option<Entries>,
    passed: usize,
}

impl State {
    pub(crate) fn new(limits: Limits, weight: Weight, host: Box<dyn Host>) -> Self {
        let console = SharedConsole::new(&limits);
        let mut resources = ResourceTable::new();
        resources.set_max_capacity(limits.handles);
        Self {
            limits,
            limiter: Limiter::new(&limits, weight),
            budget: Budget::new(&limits),
            wasi: wasi_context(&console),
            console,
            host,
            waits: Waits::new(),
            resources,
            judged: None,
            passed: 0,
        }
    }

    pub(crate) fn begin(&mut self, judged: Option<Entries>) {
        self.limiter.begin();
        self.budget.begin();
        self.judged = judged;
        self.passed = 0;
    }

    /// Ends the call and turns its output into log lines.
    pub(crate) fn end(&mut self) {
        self.judged = None;
        self.console.lock().flush(&mut *self.host);
    }

    pub(crate) const fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) const fn limiter(&self) -> &Limiter {
        &self.limiter
    }

    pub(crate) const fn limiter_mut(&mut self) -> &mut Limiter {
        &mut self.limiter
    }

    pub(crate) const fn budget(&mut self) -> &mut Budget {
        &mut self.budget
    }

    pub(crate) const fn console(&self) -> &SharedConsole {
        &self.console
    }

    /// Most bytes that one transfer from the plugin may make the host allocate: the largest allowed answer, or the
    /// largest call of the host.
    pub(crate) fn transfer_limit(&self) -> usize {
        self.limits
            .verdicts_per_call
            .saturating_mul(VERDICT_BYTES)
            .saturating_add(self.limits.output_bytes_per_call)
            .max(self.limits.host_call_bytes_per_call)
    }

    /// Returns the host that answers the plugin's calls.
    pub(crate) fn host(&mut self) -> &mut dyn Host {
        &mut *self.host
    }

    /// Counts bytes that the plugin passed to a function of the host.
    ///
    /// # Errors
    /// The bytes exceed the limit for one call.
    pub(crate) fn pass(&mut self, bytes: usize) -> Result<(), Stop> {
        self.passed = self.passed.saturating_add(bytes);
        Stop::if_over("bytes to functions of the host", self.passed, self.limits.host_call_bytes_per_call)
    }

    /// Returns the entry of the batch that is being judged.
    pub(crate) fn judged(&self, entry: u32) -> Option<&Event> {
        self.judged.as_ref()?.get(entry)
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.resources }
    }
}

/// Creates a context without files, arguments, environment and network. Its two output streams lead into the log.
fn wasi_context(console: &SharedConsole) -> WasiCtx {
    WasiCtx::builder()
        .stdout(console.stream(LogStream::Output))
        .stderr(console.stream(LogStream::Error))
        .max_random_size(RANDOM_BYTES_MAX)
        .build()
}

/// Called at each tick within a call.
pub(crate) fn tick(mut store: StoreContextMut<'_, State>) -> wasmtime::Result<wasmtime::UpdateDeadline> {
    store.data_mut().budget().check()?;
    Ok(wasmtime::UpdateDeadline::Continue(1))
}
