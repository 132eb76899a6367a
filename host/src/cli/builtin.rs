//! `ctwarden builtin`: lists and prints the policies that are in the program.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use ctwarden_builtins::{Builtin as Policy, HOW_TO_BUILD};
use ctwarden_control::plain_json;
use ctwarden_guest::{Limits, Runtime};
use ctwarden_model::{Descriptor, VerdictKind};
use ctwarden_rules::Needs;
use serde_json::{Value, json};

use super::out::Out;
use crate::config::{grant_keys, needed_kinds, needed_labels};
use crate::plugins::NativeCode;

/// List the policies that are in the program, or print one
///
/// A configuration names such a policy with use = "builtin:NAME" instead of a path. A builtin of kind rules is a rule
/// file. To change it, copy it: ctwarden builtin show NAME > my.toml, and write use = "builtin:rules" and rules =
/// "my.toml". A builtin of kind component is compiled code with options in [plugin.config]: show prints its descriptor,
/// the schema of its options and its page.
#[derive(Args)]
pub(super) struct Builtin {
    /// What to print
    action: Action,
    /// Name of the policy to show, without builtin:
    #[arg(required_if_eq("action", "show"))]
    name: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Action {
    /// All names, with kinds and grants
    List,
    /// One rule file, or the description of one component
    Show,
}

impl Builtin {
    pub(super) fn run(self) -> Result<ExitCode> {
        match (self.action, &self.name) {
            (Action::List, None) => list(self.json)?,
            (Action::List, Some(name)) => bail!("list takes no name; write ctwarden builtin show {name}"),
            (Action::Show, name) => show(name.as_deref().unwrap_or_default(), self.json)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn list(as_json: bool) -> Result<()> {
    let mut out = Out::plain();
    let (runtime, native) = (Runtime::new()?, NativeCode::of_program());
    let mut values = Vec::new();
    for policy in ctwarden_builtins::all() {
        let facts = Facts::of(&policy, &runtime, native.as_ref())?;
        if as_json {
            values.push(facts.to_json(&policy));
        } else {
            writeln!(out, "{:<18} {:<9} {}", policy.name(), facts.kind(), policy.summary())?;
            writeln!(out, "{:<28} {}", "", facts.grants())?;
        }
    }
    if as_json {
        plain_json::to_writer_pretty(&mut out, &values)?;
        writeln!(out)?;
    }
    Ok(())
}

fn show(name: &str, as_json: bool) -> Result<()> {
    let name = name.strip_prefix("builtin:").unwrap_or(name);
    let Some(policy) = ctwarden_builtins::find(name) else {
        let meant = ctwarden_builtins::nearest(name).map(|name| format!(" did you mean {name}?"));
        bail!("there is no builtin \"{name}\";{} `ctwarden builtin list` prints all", meant.unwrap_or_default());
    };
    let mut out = Out::plain();
    let facts = match policy.rule_file() {
        Some(text) if !as_json => {
            write!(out, "{text}")?;
            return Ok(());
        }
        Some(_) | None => Facts::of(&policy, &Runtime::new()?, NativeCode::of_program().as_ref())?,
    };
    if as_json {
        let mut value = facts.to_json(&policy);
        if let (Some(value), Facts::Component(descriptor)) = (value.as_object_mut(), &facts) {
            value.insert("schema".to_owned(), schema(descriptor)?);
        }
        if let Some(value) = value.as_object_mut() {
            value.insert("text".to_owned(), policy.rule_file().or(policy.readme()).into());
        }
        plain_json::to_writer_pretty(&mut out, &value)?;
        writeln!(out)?;
        return Ok(());
    }
    writeln!(out, "{}: {}", policy.name(), policy.summary())?;
    writeln!(out, "{}", facts.grants())?;
    if let Facts::Component(descriptor) = &facts {
        writeln!(out, "version {}", descriptor.version)?;
        for code in &descriptor.codes {
            writeln!(out, "code {}: {}", code.code, code.meaning)?;
        }
        writeln!(out, "\nSchema of [plugin.config]:\n")?;
        plain_json::to_writer_pretty(&mut out, &schema(descriptor)?)?;
        writeln!(out)?;
    }
    writeln!(out, "\n{}", policy.readme().unwrap_or_default())?;
    Ok(())
}

fn schema(descriptor: &Descriptor) -> Result<Value> {
    match &descriptor.configuration_schema {
        Some(text) => serde_json::from_str(text).context("the schema is no JSON"),
        None => Ok(Value::Null),
    }
}

/// What is known about a builtin.
enum Facts {
    Rules(Needs),
    Component(Box<Descriptor>),
    /// The program was built without the component.
    Absent,
}

impl Facts {
    fn of(policy: &Policy, runtime: &Runtime, native: Option<&NativeCode>) -> Result<Self> {
        let name = policy.name();
        if let Some(text) = policy.rule_file() {
            let rules = ctwarden_rules::file::read(text, &|_| Ok(()));
            let rules = rules.map_err(|mistakes| {
                let mistakes: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
                anyhow::anyhow!("the rule file of builtin:{name} is wrong: {}", mistakes.join("; "))
            })?;
            return Ok(Self::Rules(Needs::of(&rules)));
        }
        let Some(bytes) = policy.component() else { return Ok(Self::Absent) };
        // The component is part of this program, so it needs no separate process.
        let carried = native.and_then(|native| runtime.load_code(bytes, &native.code(bytes)?).ok());
        let component = match carried {
            Some(component) => component,
            None => runtime.load(bytes).with_context(|| format!("cannot load builtin:{name}"))?,
        };
        Ok(Self::Component(Box::new(component.describe(Limits::default())?)))
    }

    const fn kind(&self) -> &'static str {
        match self {
            Self::Rules(_) => "rules",
            Self::Component(_) | Self::Absent => "component",
        }
    }

    /// The grants, on one line.
    fn grants(&self) -> String {
        match self {
            Self::Rules(needs) => format!("needs {}", grant_keys(needs).join(", ")),
            Self::Component(descriptor) => {
                format!("needs, depending on its options, some of {}", kinds(descriptor).join(", "))
            }
            Self::Absent => format!("this program was built without the component; {HOW_TO_BUILD}"),
        }
    }

    fn to_json(&self, policy: &Policy) -> Value {
        let mut value = json!({
            "name": policy.name(),
            "kind": self.kind(),
            "summary": policy.summary(),
            "present": policy.component().is_some(),
        });
        let more = match self {
            Self::Rules(needs) => json!({
                "needs": needed_kinds(needs),
                "mark-bits": format!("{:#x}", needs.mark_mask),
                "label-bits": needed_labels(needs),
                "block-sets": needs.block_sets,
                "address-sets": needs.read_sets,
            }),
            Self::Component(descriptor) => {
                let codes = descriptor.codes.iter();
                json!({
                    "asks": kinds(descriptor),
                    "version": descriptor.version,
                    "codes": codes.map(|code| json!({ "code": code.code, "meaning": code.meaning })).collect::<Vec<_>>(),
                })
            }
            Self::Absent => json!({}),
        };
        if let (Some(value), Value::Object(more)) = (value.as_object_mut(), more) {
            value.extend(more);
        }
        value
    }
}

fn kinds(descriptor: &Descriptor) -> Vec<&'static str> {
    descriptor.wants.iter().map(VerdictKind::name).collect()
}
