//! Data that a runtime, its components and their instances share.

use std::fmt;

use wasmtime::Engine;
use wasmtime::component::Linker;

use crate::state::State;
use crate::ticker::Ticker;

pub(crate) struct Shared {
    pub(crate) engine: Engine,
    pub(crate) ticker: Ticker,
    /// One for each element of [`versions::ALL`](crate::versions::ALL), in its order.
    pub(crate) linkers: Vec<Linker<State>>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}
