//! Refuses every configuration but an empty object, and asks for something impossible when it is given a filter or a
//! tick.
//!
//! It shows that an operator is told what the plugin says, and that a subscription is checked.

#[path = "../../plugin.rs"]
mod plugin;

use plugin::{Filter, Provoked, Subscription, Verdict, any_flow, everything};

/// The plugin.
pub struct Refuses;

impl Provoked for Refuses {
    fn misbehave() -> Vec<Verdict> {
        Vec::new()
    }

    fn configure(configuration: &str) -> Result<Subscription, String> {
        match configuration {
            "{}" => Ok(everything()),
            "\"fast tick\"" => Ok(Subscription { tick_every: 1, ..everything() }),
            "\"far label\"" => {
                let filter = Filter { labels: vec![200], ..any_flow() };
                Ok(Subscription { filters: vec![any_flow(), filter], ..everything() })
            }
            "\"named set\"" => {
                let filter = Filter { sets: vec!["known".to_owned()], ..any_flow() };
                Ok(Subscription { filters: vec![filter], ..everything() })
            }
            other => Err(format!("{other} is nothing that this plugin knows")),
        }
    }
}

plugin::export_plugin!(Refuses);
