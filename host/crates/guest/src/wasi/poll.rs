//! Waiting: `wasi:io/poll` and the monotonic clock.
//!
//! A plugin can wait only here. The host side ends the wait, and the call with it, when the time of the call is over. A
//! plugin that sleeps for ever cannot block its thread.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use wasmtime::component::Resource;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::bindings::clocks::monotonic_clock;
use wasmtime_wasi::p2::bindings::io::poll as asynchronous;
use wasmtime_wasi::p2::bindings::sync::io::poll as synchronous;
use wasmtime_wasi::p2::{DynPollable, Pollable, subscribe};

use super::Ours;
use crate::state::State;
use crate::stop::Stop;
use crate::waits::Due;

/// The time to wait for. `None` means later than the clock can represent.
struct Alarm {
    at: Option<Instant>,
    due: Due,
}

#[async_trait]
impl Pollable for Alarm {
    async fn ready(&mut self) {
        poll_fn(|_| match self.at {
            Some(at) if at <= Instant::now() => Poll::Ready(()),
            Some(at) => {
                self.due.at(at);
                Poll::Pending
            }
            None => Poll::Pending,
        })
        .await;
    }
}

/// Drives `ready` on this thread until it completes or the call's time is over. A plugin can wait only for alarms, so
/// sleeping until the earliest alarm is enough.
fn wait<T>(state: &mut State, ready: impl AsyncFnOnce(&mut State) -> T) -> wasmtime::Result<T> {
    let due = state.waits.due();
    let deadline = state.budget().deadline();
    let mut ready = pin!(ready(state));
    loop {
        due.take();
        if let Poll::Ready(value) = ready.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return Ok(value);
        }
        let now = Instant::now();
        if deadline.is_some_and(|deadline| deadline <= now) {
            return Err(Stop::Stuck.into());
        }
        let next = [due.take(), deadline].into_iter().flatten().min();
        let pause = next.map_or(Duration::MAX, |next| next.saturating_duration_since(now));
        std::thread::sleep(pause);
    }
}

impl synchronous::Host for Ours<'_> {
    fn poll(&mut self, pollables: Vec<Resource<DynPollable>>) -> wasmtime::Result<Vec<u32>> {
        wait(self.0, async |state| asynchronous::Host::poll(&mut state.resources, pollables).await)?
    }
}

impl synchronous::HostPollable for Ours<'_> {
    fn ready(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<bool> {
        let mut ready = pin!(asynchronous::HostPollable::ready(&mut self.0.resources, pollable));
        match ready.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(answer) => answer,
            Poll::Pending => Ok(false),
        }
    }

    fn block(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<()> {
        wait(self.0, async |state| asynchronous::HostPollable::block(&mut state.resources, pollable).await)?
    }

    fn drop(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<()> {
        asynchronous::HostPollable::drop(&mut self.0.resources, pollable)
    }
}

impl Ours<'_> {
    fn alarm(&mut self, after: u64) -> wasmtime::Result<Resource<DynPollable>> {
        let at = Instant::now().checked_add(Duration::from_nanos(after));
        let due = self.0.waits.due();
        let alarm = self.0.resources.push(Alarm { at, due })?;
        subscribe(&mut self.0.resources, alarm)
    }
}

impl monotonic_clock::Host for Ours<'_> {
    fn now(&mut self) -> wasmtime::Result<u64> {
        Ok(self.0.waits.now())
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        Ok(1)
    }

    fn subscribe_instant(&mut self, when: u64) -> wasmtime::Result<Resource<DynPollable>> {
        self.alarm(when.saturating_sub(self.0.waits.now()))
    }

    fn subscribe_duration(&mut self, after: u64) -> wasmtime::Result<Resource<DynPollable>> {
        self.alarm(after)
    }
}
