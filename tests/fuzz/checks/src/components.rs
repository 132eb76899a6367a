//! Checks any bytes as a component, up to its description.

use std::sync::LazyLock;

use ctwarden_guest::{Limits, Runtime};

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

/// For any bytes, the host either reports an error or describes the plugin.
pub(crate) fn check(bytes: &[u8]) {
    match RUNTIME.load(bytes) {
        Ok(component) => {
            if let Err(error) = component.describe(Limits::default()) {
                assert!(!error.to_string().is_empty());
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
