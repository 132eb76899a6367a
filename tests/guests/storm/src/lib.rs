//! Returns a million verdicts, or as many as its configuration gives.
//!
//! This guest shows that the host measures an answer before it copies the answer.

#[path = "../../plugin.rs"]
mod plugin;

use std::sync::atomic::{AtomicUsize, Ordering};

use plugin::{Provoked, Subscription, Target, Verdict, everything, seen};

static VERDICTS: AtomicUsize = AtomicUsize::new(1_000_000);

pub struct Storm;

impl Provoked for Storm {
    fn misbehave() -> Vec<Verdict> {
        (0..VERDICTS.load(Ordering::Relaxed)).map(|_| seen(Target::None)).collect()
    }

    fn configure(configuration: &str) -> Result<Subscription, String> {
        if let Ok(verdicts) = configuration.trim().parse() {
            VERDICTS.store(verdicts, Ordering::Relaxed);
        }
        Ok(everything())
    }
}

plugin::export_plugin!(Storm);
