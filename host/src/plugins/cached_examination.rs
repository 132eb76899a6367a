//! The cached result of an earlier examination of a component: its code, and that it passed with this configuration.
//!
//! With the cache a start with sixteen plugins takes a tenth of a second. Without it, the examination of each plugin
//! takes as long.

use ctwarden_guest::{Code, CodeCache, ComponentKey, Runtime};
use ctwarden_model::PluginName;

use super::loader::{Described, Examined};
use crate::config;

/// Increment this number when an examination checks more than before, so that components are examined again.
const EXAMINATION: u32 = 2;

/// The cache entry of one plugin.
pub(super) struct CachedExamination<'a> {
    cache: &'a CodeCache,
    key: ComponentKey,
    plugin: &'a PluginName,
    /// All inputs of an examination besides the component.
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

    /// The descriptor that the plugin gave when it was examined.
    pub(super) fn described(&self) -> Option<Described> {
        let note = self.cache.note(&self.key, self.plugin, &self.circumstances)?;
        serde_json::from_slice(&note).ok()
    }

    /// Stores the result. If that fails, the next start examines again, which is no reason to fail this start.
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
