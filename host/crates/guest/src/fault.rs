//! Why a call of a plugin ended early, derived from wasmtime's error and from what the plugin did before.
//!
//! wasmtime reports nearly everything as a trap. Operators and the restart logic need the kind: a panic is a mistake of
//! the author, out of memory may be a limit that is too low, and out of time is an endless loop.

use std::error::Error as StdError;

use ctwarden_model::Fault;
use wasmtime::Trap;
use wasmtime_wasi::I32Exit;

use crate::state::State;
use crate::stop::{Stop, number};
use crate::text;

/// wasmtime's message if a transfer exhausts `Store::set_hostcall_fuel`. This error has no public type.
const TRANSFER_TOO_LARGE: &str = "fuel allocated for hostcalls has been exhausted";

/// Returns the fault that the error stands for.
pub(crate) fn classify(error: &wasmtime::Error, state: &mut State) -> Fault {
    let limits = *state.limits();
    if let Some(stop) = error.downcast_ref::<Stop>() {
        return stop.fault(&limits);
    }
    if let Some(I32Exit(status)) = error.downcast_ref::<I32Exit>() {
        return Fault::Exited(*status);
    }
    if error.chain().any(|cause| cause.to_string().contains(TRANSFER_TOO_LARGE)) {
        let limit = number(state.transfer_limit());
        return Fault::TooMuch { what: "bytes or more", returned: limit.saturating_add(1), limit };
    }
    // A guest executes `unreachable` for every abort, whatever the reason. Any other trap has a specific code.
    let aborted = matches!(error.downcast_ref::<Trap>(), Some(Trap::UnreachableCodeReached));
    if aborted && let Some(text) = panic_text(&state.console().lock().tail()) {
        return Fault::Panic(text);
    }
    if state.limiter().denied() {
        return Fault::OutOfMemory { limit: limits.memory_bytes };
    }
    Fault::Trap(cause(error))
}

/// Returns the innermost cause of the error, which names the failure. The outer causes say where it happened.
pub(crate) fn cause(error: &wasmtime::Error) -> String {
    let told = error.chain().last().map_or_else(|| error.to_string(), <dyn StdError>::to_string);
    let told = told.strip_prefix("wasm trap: ").unwrap_or(&told);
    text::line(told.lines().next().unwrap_or_default().to_owned(), text::REFUSAL)
}

/// Finds message and location of the last panic in standard error, on one line. Rust's standard panic hook writes
/// `thread 'NAME' panicked at FILE:LINE:COLUMN:`, the message on the next lines, and a note about backtraces.
fn panic_text(error_output: &str) -> Option<String> {
    let (_, said) = error_output.rsplit_once("panicked at ")?;
    let (place, rest) = said.split_once('\n').unwrap_or((said, ""));
    let message = rest.split("\nnote: ").next().unwrap_or(rest).trim();
    let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
    let place = place.trim().trim_end_matches(':');
    let told = if message.is_empty() { place.to_owned() } else { format!("{message} ({place})") };
    Some(text::line(told, text::REFUSAL))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_one_line() {
        let text = "\nthread '<unnamed>' (1) panicked at src/lib.rs:7:9:\nno\n such  flow\nnote: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n";
        assert_eq!(panic_text(text).unwrap(), "no such flow (src/lib.rs:7:9)");
    }

    #[test]
    fn the_last_panic_counts() {
        let text = "thread 'a' panicked at a.rs:1:1:\nfirst\nthread 'a' panicked at b.rs:2:2:\nsecond";
        assert_eq!(panic_text(text).unwrap(), "second (b.rs:2:2)");
        assert_eq!(panic_text("thread 'a' panicked at b.rs:2:2:").unwrap(), "b.rs:2:2");
        assert_eq!(panic_text("memory allocation of 8 bytes failed"), None);
    }
}
