//! The code that wasmtime generates from the WIT.

wasmtime::component::bindgen!({
    path: "../../../wit/v0.1",
    world: "ctwarden:conntrack/plugin-with-expectations",
    imports: { default: trappable },
});
