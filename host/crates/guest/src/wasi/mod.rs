//! WASI 0.2 for plugins: the world `wasi:cli/imports` is there, most of it says no. `wasi:http` and what is still a draft are not.
//!
//! A component built by plain `cargo build --target wasm32-wasip2` imports files, sockets and environment from its libc
//! whether it uses them or not; a host that left them out could not load it. So everything is linked, with an empty
//! context: no files, no environment, no arguments, no input, no network. Clocks and random numbers work, output
//! becomes log lines.
//!
//! Three things are ours rather than wasmtime's: waiting (it must end when the call's time is over), the streams'
//! waiting functions and what makes sockets (wasmtime's would start an executor with threads of its own to say no).

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

/// The host side of what is ours.
pub(crate) struct Ours<'a>(pub(crate) &'a mut State);

/// Names [`Ours`] to the linker.
struct HasOurs;

impl HasData for HasOurs {
    type Data<'a> = Ours<'a>;
}

fn ours(state: &mut State) -> Ours<'_> {
    Ours(state)
}

/// Adds all of it.
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
