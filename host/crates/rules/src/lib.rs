//! Rules of operators: read, checked, compiled to typed conditions, and applied to flows.
//!
//! The host checks rules with this crate, and the bundled policy `rules` applies them. So a mistake has the same words
//! everywhere. The crate is pure: it reads no clock, does no I/O and contains no unsafe code. It uses the standard
//! library, because the parser of CEL does.
//!
//! ```
//! use ctwarden_rules::{Rules, file};
//!
//! let text = "[[rule]]\nname = 'no-telnet'\nmatch = { protocols = ['tcp'] }\nwhen = 'flow.dst_port == 23'\nthen = 'delete'\n";
//! let rules = file::read(text, &|_| Ok(())).unwrap();
//! assert_eq!(rules.rules()[0].name(), "no-telnet");
//!
//! let wrong = text.replace("flow.dst_port", "flow.dst_prot");
//! let problems = file::read(&wrong, &|_| Ok(())).unwrap_err();
//! let said = "4:9: rule \"no-telnet\": when: column 1: there is no field flow.dst_prot; did you mean flow.dst_port?";
//! assert_eq!(problems[0].to_string(), said);
//! ```
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod additions;
mod case;
mod compare;
mod compile;
mod counters;
mod decision;
mod domain;
mod duration;
mod expression;
mod field;
#[cfg(feature = "file")]
pub mod file;
mod filter;
mod flow;
mod judge;
mod lookups;
mod matching;
mod needs;
mod predicate;
mod problem;
mod ranges;
mod reader;
mod returns;
mod rule;
mod rules;
mod states;
mod suggest;
mod template;
#[cfg(test)]
mod tests;
mod then;
mod threshold;
mod timestamp;
mod totals;
mod value;

pub use compile::names;
pub use counters::{Counter, CounterKind, Counters, Key};
pub use ctwarden_net::Prefix;
pub use decision::{Action, Decision};
pub use field::Address;
pub use filter::Filter;
pub use flow::{Ends, Flow, Kind, Listed, Source, Volume};
pub use judge::{Judge, Tools};
pub use lookups::Lookup;
pub use needs::Needs;
pub use problem::{Problem, Problems, Step};
pub use returns::Memory;
pub use rule::Rule;
pub use rules::{Rules, SetCheck};
pub use template::Template;
pub use then::{AlertText, Block, End, Then};
pub use threshold::{DistinctOf, Measure, Per, Threshold};
