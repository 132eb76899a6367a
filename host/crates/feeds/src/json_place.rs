//! Where a JSON value is in the text that it was read from.

use serde_json::value::RawValue;

/// The number of bytes before the value. The value is borrowed from the text, so their addresses say it.
pub(crate) fn offset_of(value: &RawValue, text: &str) -> usize {
    let offset = value.get().as_ptr().addr().saturating_sub(text.as_ptr().addr());
    offset.min(text.len())
}
