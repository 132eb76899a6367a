//! Returns far too much at each tick, in the way that its configuration names: a reason of a megabyte, thousands of
//! fields, as many verdicts as a call may return, texts with control characters, or a hundred lines on standard error.
//!
//! This guest shows that no plugin fills the daemon's memory, its records or its log.

#[path = "../../plugin.rs"]
mod plugin;

use std::sync::Mutex;

use plugin::bindings::exports::ctwarden::conntrack::policy::Alert;
use plugin::{
    Action, Batch, Descriptor, Guest, Reply, Subscription, Target, Verdict, VerdictKinds, descriptor, everything, seen,
};

static HOW: Mutex<String> = Mutex::new(String::new());

pub struct Flood;

impl Guest for Flood {
    fn describe() -> Descriptor {
        Descriptor { configuration_schema: "{}".to_owned(), ..descriptor() }
    }

    fn configure(_now: u64, configuration: String) -> Result<Subscription, String> {
        let needs = if configuration.contains("text") { VerdictKinds::ALERT } else { VerdictKinds::empty() };
        *HOW.lock().map_err(|error| error.to_string())? = configuration;
        Ok(Subscription { needs, tick_every: 10, ..everything() })
    }

    fn judge(_batch: Batch) -> Vec<Verdict> {
        Vec::new()
    }

    fn tick(_now: u64) -> Vec<Verdict> {
        let how = HOW.lock().map(|how| how.clone()).unwrap_or_default();
        let is = |word: &str| how.contains(word);
        if is("reason") {
            return vec![Verdict { reason: "x".repeat(1_000_000), ..seen(Target::None) }];
        }
        if is("fields") {
            let fields = (0..15_000).map(|n| (format!("n{n}"), String::new())).collect();
            return vec![Verdict { action: Action::Log(fields), ..seen(Target::None) }];
        }
        if is("verdicts") {
            return (0..10_000).map(|_| seen(Target::None)).collect();
        }
        if is("text") {
            let evil = "\u{1b}[2J\n\u{9b}31m\u{202e}gpj.exe\u{2028}forged".to_owned();
            let fields = vec![(evil.clone(), evil.clone())];
            let alert = Alert { severity: 4, title: evil.clone(), key: evil.clone(), fields };
            return vec![Verdict { reason: evil, action: Action::Alert(alert), ..seen(Target::None) }];
        }
        if is("print") {
            for number in 0..100 {
                eprintln!("{number} {}", "x".repeat(150));
            }
        }
        Vec::new()
    }

    fn message(_now: u64, text: String) -> Result<Reply, String> {
        if text == "refuse" {
            return Err("\u{1b}[2Jno\nctwarden: forged \u{202e}".repeat(10_000));
        }
        Ok(Reply { text: text.repeat(40_000), verdicts: Vec::new() })
    }

    fn stop() {}
}

plugin::export_plugin!(Flood);
