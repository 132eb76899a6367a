//! Refuses every configuration except an empty object and three texts. For these texts, it asks for a tick of 1 ms, a
//! filter with the label 200, or a filter with an address set.
//!
//! This guest shows that an operator sees the plugin's reason, and that the host checks a subscription.

#[path = "../../plugin.rs"]
mod plugin;

use plugin::{Filter, Provoked, Subscription, Verdict, any_flow, everything};

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
