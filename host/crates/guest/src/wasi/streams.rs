//! `wasi:io/streams` without an executor.
//!
//! A plugin can hold only its two output streams, which accept every write at once, and its input, which is at its end.
//! So the functions that wait by the definition of WASI return at once here. Any other stream was not given by the
//! host, and ends the call.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use wasmtime::component::Resource;
use wasmtime_wasi::ResourceTable;
use wasmtime_wasi::p2::bindings::io::streams::{Host as Errors, HostInputStream as Input, HostOutputStream as Output};
use wasmtime_wasi::p2::bindings::sync::io::streams::{self, InputStream, OutputStream};
use wasmtime_wasi::p2::{DynPollable, StreamError, StreamResult};

use super::Ours;

/// Returns the value of a future that is ready.
fn at_once<T>(future: impl Future<Output = T>) -> wasmtime::Result<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Ok(value),
        Poll::Pending => Err(wasmtime::format_err!("waited on a stream that is never ready")),
    }
}

/// As `at_once`, for functions with a stream error.
fn stream_at_once<T>(future: impl Future<Output = StreamResult<T>>) -> StreamResult<T> {
    at_once(future).map_err(StreamError::Trap)?
}

impl Ours<'_> {
    const fn table(&mut self) -> &mut ResourceTable {
        &mut self.0.resources
    }
}

impl streams::Host for Ours<'_> {
    fn convert_stream_error(&mut self, error: StreamError) -> wasmtime::Result<streams::StreamError> {
        Ok(Errors::convert_stream_error(self.table(), error)?.into())
    }
}

impl streams::HostOutputStream for Ours<'_> {
    fn check_write(&mut self, stream: Resource<OutputStream>) -> StreamResult<u64> {
        Output::check_write(self.table(), stream)
    }

    fn write(&mut self, stream: Resource<OutputStream>, bytes: Vec<u8>) -> StreamResult<()> {
        Output::write(self.table(), stream, bytes)
    }

    fn blocking_write_and_flush(&mut self, stream: Resource<OutputStream>, bytes: Vec<u8>) -> StreamResult<()> {
        stream_at_once(Output::blocking_write_and_flush(self.table(), stream, bytes))
    }

    fn flush(&mut self, stream: Resource<OutputStream>) -> StreamResult<()> {
        Output::flush(self.table(), stream)
    }

    fn blocking_flush(&mut self, stream: Resource<OutputStream>) -> StreamResult<()> {
        stream_at_once(Output::blocking_flush(self.table(), stream))
    }

    fn subscribe(&mut self, stream: Resource<OutputStream>) -> wasmtime::Result<Resource<DynPollable>> {
        Output::subscribe(self.table(), stream)
    }

    fn write_zeroes(&mut self, stream: Resource<OutputStream>, bytes: u64) -> StreamResult<()> {
        Output::write_zeroes(self.table(), stream, bytes)
    }

    fn blocking_write_zeroes_and_flush(&mut self, stream: Resource<OutputStream>, bytes: u64) -> StreamResult<()> {
        stream_at_once(Output::blocking_write_zeroes_and_flush(self.table(), stream, bytes))
    }

    fn splice(&mut self, into: Resource<OutputStream>, from: Resource<InputStream>, bytes: u64) -> StreamResult<u64> {
        Output::splice(self.table(), into, from, bytes)
    }

    fn blocking_splice(
        &mut self,
        into: Resource<OutputStream>,
        from: Resource<InputStream>,
        bytes: u64,
    ) -> StreamResult<u64> {
        stream_at_once(Output::blocking_splice(self.table(), into, from, bytes))
    }

    fn drop(&mut self, stream: Resource<OutputStream>) -> wasmtime::Result<()> {
        at_once(Output::drop(self.table(), stream))?
    }
}

impl streams::HostInputStream for Ours<'_> {
    fn read(&mut self, stream: Resource<InputStream>, bytes: u64) -> StreamResult<Vec<u8>> {
        Input::read(self.table(), stream, bytes)
    }

    fn blocking_read(&mut self, stream: Resource<InputStream>, bytes: u64) -> StreamResult<Vec<u8>> {
        stream_at_once(Input::blocking_read(self.table(), stream, bytes))
    }

    fn skip(&mut self, stream: Resource<InputStream>, bytes: u64) -> StreamResult<u64> {
        Input::skip(self.table(), stream, bytes)
    }

    fn blocking_skip(&mut self, stream: Resource<InputStream>, bytes: u64) -> StreamResult<u64> {
        stream_at_once(Input::blocking_skip(self.table(), stream, bytes))
    }

    fn subscribe(&mut self, stream: Resource<InputStream>) -> wasmtime::Result<Resource<DynPollable>> {
        Input::subscribe(self.table(), stream)
    }

    fn drop(&mut self, stream: Resource<InputStream>) -> wasmtime::Result<()> {
        at_once(Input::drop(self.table(), stream))?
    }
}
