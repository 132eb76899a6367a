//! What an earlier start found out about a component: its code, and that it was examined with this configuration.
//!
//! A start with sixteen plugins takes a tenth of a second this way; to examine each anew would take as long for each.

use ctwarden_guest::{Code, CodeCache, ComponentKey, Runtime};
use ctwarden_model::PluginName;

use super::loader::{Described, Examined};
use crate::config;

/// Changes whenever an examination looks at more than before, so that what passed an older one is examined again.
const EXAMINATION: u32 = 1;

/// The cache entry of one plugin.
pub(super) struct CachedExamination<'a> {
    cache: &'a CodeCache,
    key: ComponentKey,
    plugin: &'a PluginName,
    /// All that an examination depends on beside the component.
    circumstances: Vec<u8>,
}

impl<'a> CachedExamination<'a> {
    pub(super) fn new(cache: &'a CodeCache, runtime: &Runtime, plugin: &'a config::Plugin) -> Self {
        let key = ComponentKey::new(runtime, &plugin.component);
        let circumstances = (EXAMINATION, env!("CARGO_PKG_VERSION"), plugin.limits, &plugin.config);
        // Numbers, texts and tables have a form in JSON.
        let circumstances = serde_json::to_vec(&circumstances).unwrap_or_default();
        Self { cache, key, plugin: &plugin.name, circumstances }
    }

    pub(super) fn code(&self) -> Option<Code> {
        self.cache.code(&self.key)
    }

    /// Who it said it was when it was examined.
    pub(super) fn described(&self) -> Option<Described> {
        let note = self.cache.note(&self.key, self.plugin, &self.circumstances)?;
        serde_json::from_slice(&note).ok()
    }

    /// Keeps what was found. Where that fails the next start examines again, which is no reason not to start now.
    pub(super) fn keep(&self, examined: &Examined) {
        if let Some(code) = &examined.code
            && self.cache.keep_code(&self.key, code).is_err()
        {
            return;
        }
        if let Ok(note) = serde_json::to_vec(&examined.described) {
            let _ = self.cache.keep_note(&self.key, self.plugin, &self.circumstances, &note);
        }
    }
}
