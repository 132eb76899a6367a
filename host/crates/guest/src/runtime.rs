//! The engine with its settings, and the linkers for all plugins.
//!
//! The daemon has one runtime. All plugins share the compiled code, the epoch and its ticker. They do not share
//! instances.

use std::sync::Arc;

use thiserror::Error;
use wasmtime::component::Linker;
use wasmtime::{Config, Engine};

use crate::code::Code;
use crate::component::{Component, LoadError};
use crate::shared::Shared;
use crate::ticker::Ticker;
use crate::{versions, wasi};

/// Why the runtime could not be created.
#[derive(Debug, Error)]
pub enum RuntimeError {
    /// wasmtime does not run on this machine; the source says why.
    #[error("cannot run webassembly on this machine")]
    Engine(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The thread that limits calls could not be started.
    #[error("cannot start the thread that limits the time of plugins")]
    Ticker(#[source] std::io::Error),
}

/// Loads components. Clones refer to the same runtime. The runtime lives as long as anything that it loaded.
#[derive(Clone, Debug)]
pub struct Runtime(Arc<Shared>);

impl Runtime {
    /// Starts the engine, and the thread that ends calls that exceed their time.
    ///
    /// # Errors
    /// wasmtime cannot compile for this machine, or no thread can be started.
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

    /// Checks and compiles a component. This takes some 100 ms for a component written in Rust, and seconds for an
    /// interpreter.
    ///
    /// # Errors
    /// The bytes are not a component, or this host cannot run it. The error says what they are instead.
    pub fn load(&self, bytes: &[u8]) -> Result<Component, LoadError> {
        Component::load(&self.0, bytes, |engine| wasmtime::component::Component::new(engine, bytes))
    }

    /// Loads the component of these bytes from its compiled code.
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

/// Settings of the engine that differ from wasmtime's defaults.
pub(crate) fn settings() -> Config {
    let mut config = Config::new();
    // Lets the host interrupt endless loops.
    config.epoch_interruption(true);
    config
}
