//! WASI 0.2 for plugins: the world `wasi:cli/imports` is complete, but most functions return errors. `wasi:http` and
//! drafts are absent.
//!
//! A component built by plain `cargo build --target wasm32-wasip2` imports files, sockets and environment from its libc
//! even if it does not use them. A host without these imports could not load it. So everything is linked, with an empty
//! context: no files, no environment, no arguments, no input, no network. Clocks and random numbers work, and output
//! becomes log lines.
//!
//! This crate implements three things instead of wasmtime: waiting, which must end when the call's time is over; the
//! waiting functions of streams; and the creation of sockets. wasmtime's versions of the last two would start an
//! executor with its own threads only to refuse.

mod poll;
mod sockets;
mod streams;

use wasmtime::component::{HasData, Linker};
use wasmtime_wasi::p2::bindings::sync as bindings;
use wasmtime_wasi::p2::bindings::{clocks, sockets as network};

use crate::state::State;

/// The version whose minor releases are all linked.
pub(crate) const VERSION: &str = "0.2.12";

/// Everything that is linked, without versions (world `wasi:cli/imports`).
pub(crate) const INTERFACES: [&str; 27] = [
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
    "wasi:sockets/instance-network",
    "wasi:sockets/ip-name-lookup",
    "wasi:sockets/network",
    "wasi:sockets/tcp",
    "wasi:sockets/tcp-create-socket",
    "wasi:sockets/udp",
    "wasi:sockets/udp-create-socket",
];

/// The host side of the interfaces that this crate implements.
pub(crate) struct Ours<'a>(pub(crate) &'a mut State);

/// Names [`Ours`] to the linker.
struct HasOurs;

impl HasData for HasOurs {
    type Data<'a> = Ours<'a>;
}

fn ours(state: &mut State) -> Ours<'_> {
    Ours(state)
}

/// Links [`INTERFACES`], with this crate's implementations in place of wasmtime's where there are some.
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_sync(linker)?;
    linker.allow_shadowing(true);
    bindings::io::poll::add_to_linker::<_, HasOurs>(linker, ours)?;
    bindings::io::streams::add_to_linker::<_, HasOurs>(linker, ours)?;
    clocks::monotonic_clock::add_to_linker::<_, HasOurs>(linker, ours)?;
    bindings::sockets::udp_create_socket::add_to_linker::<_, HasOurs>(linker, ours)?;
    network::ip_name_lookup::add_to_linker::<_, HasOurs>(linker, ours)?;
    linker.allow_shadowing(false);
    Ok(())
}
