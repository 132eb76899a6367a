//! The engine with its settings, and what every plugin is linked against.
//!
//! There is one for the whole daemon: compiled code, the epoch and its ticker are shared by all plugins, instances are
//! not.

use std::sync::Arc;

use thiserror::Error;
use wasmtime::component::Linker;
use wasmtime::{Config, Engine};

use crate::code::Code;
use crate::component::{Component, LoadError};
use crate::shared::Shared;
use crate::ticker::Ticker;
use crate::{versions, wasi};

/// Why no runtime could be made.
#[derive(Debug, Error)]
pub enum RuntimeError {
    /// wasmtime does not run here; the source says why.
    #[error("cannot run webassembly on this machine")]
    Engine(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The thread that limits calls could not be started.
    #[error("cannot start the thread that limits the time of plugins")]
    Ticker(#[source] std::io::Error),
}

/// Loads components. Clones are the same runtime; it lives as long as anything that it loaded.
#[derive(Clone, Debug)]
pub struct Runtime(Arc<Shared>);

impl Runtime {
    /// Starts the engine and the thread that ends calls which take too long.
    ///
    /// # Errors
    /// The machine is none that wasmtime compiles for, or no thread can be started.
    pub fn new() -> Result<Self, RuntimeError> {
        let engine = Engine::new(&settings()).map_err(engine_error)?;
        let linkers = versions::ALL
            .iter()
            .map(|version| {
                let mut linker = Linker::new(&engine);
                wasi::link(&mut linker)?;
                (version.link)(&mut linker)?;
                Ok(linker)
            })
            .collect::<wasmtime::Result<Vec<_>>>()
            .map_err(engine_error)?;
        let ticker = Ticker::start(engine.weak()).map_err(RuntimeError::Ticker)?;
        Ok(Self(Arc::new(Shared { engine, ticker, linkers })))
    }

    /// Checks and compiles a component: some 100 ms for one written in Rust, seconds for an interpreter.
    ///
    /// # Errors
    /// It is no component, or none that this host can run; the error says what it is instead.
    pub fn load(&self, bytes: &[u8]) -> Result<Component, LoadError> {
        Component::load(&self.0, bytes, |engine| wasmtime::component::Component::new(engine, bytes))
    }

    /// The component of these bytes, of which this is the compiled code.
    ///
    /// # Errors
    /// As [`Runtime::load`], or the code was compiled by another version.
    pub fn load_code(&self, bytes: &[u8], code: &Code) -> Result<Component, LoadError> {
        Component::load(&self.0, bytes, |engine| code.component(engine))
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.0.engine
    }
}

fn engine_error(error: wasmtime::Error) -> RuntimeError {
    RuntimeError::Engine(error.into())
}

/// Settings of the engine that differ from wasmtime's own.
fn settings() -> Config {
    let mut config = Config::new();
    // Endless loops come back to the host.
    config.epoch_interruption(true);
    config
}
