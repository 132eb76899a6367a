//! A policy that counts the entries that it judges and sums their ids, so that a test can check that it saw every entry
//! once.
//!
//! A benchmark is worthless if a program did less than the requested work. The count and the sum come from inside the
//! sandbox, and the kernel's own table gives the same two figures.
//!
//! Messages: `sweep` and `sweep WORDS` ask for a sweep, of all flows or of those that the words select (pairs of `src`,
//! `dst`, `mark`, `zone`, `status`, `protocol`, `dport` and a value). `judge nothing`, `judge delete NETWORK` and
//! `judge mark VALUE NETWORK` set the verdict for later dump entries from a network. `end NETWORK` ends all flows from
//! the network with one verdict. `mark VALUE FROM COUNT` marks remembered flows by their keys. `count` answers with
//! both figures. At the end of each sweep, the policy records both figures for the entries of the sweep.

use ctwarden_sdk::prelude::*;
use serde::Deserialize;

/// The configuration of the policy.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Settings {
    /// A mark for every new flow.
    mark_new: Option<Masked>,
    /// Whether to record the first dump entry of an instance at once.
    tell_first: bool,
    /// Whether to subscribe to dump entries only, without events.
    rows_only: bool,
    /// Whether to remember the keys of all entries of a sweep.
    remember: bool,
    /// Whether to declare that verdicts name flows by selections.
    selects: bool,
}

/// A number of entries and the sum of their ids.
#[derive(Debug, Default)]
struct Count {
    entries: u64,
    ids: u64,
}

impl Count {
    fn add(&mut self, flow: &Flow<'_>) {
        self.entries += 1;
        self.ids = self.ids.wrapping_add(flow.id().into());
    }
}

/// The verdict for dump entries.
#[derive(Debug)]
enum Rule {
    Nothing,
    Delete(Prefix),
    Mark(Masked, Prefix),
}

/// A policy that counts.
#[derive(Debug)]
pub struct Tally {
    settings: Settings,
    rule: Rule,
    /// The dump entries of the running sweep, or of the last one.
    rows: Count,
    /// The events since the start.
    new: Count,
    /// The keys of the dump entries, if `remember` is set.
    keys: Vec<FlowKey>,
    first: bool,
}

impl Policy for Tally {
    type Config = Settings;
    const WANTS: &'static [VerdictKind] =
        &[VerdictKind::Delete, VerdictKind::Mark, VerdictKind::Log, VerdictKind::Sweep];

    fn configure(settings: Settings, _: Timestamp) -> Result<Self, Refusal> {
        let (rows, new) = (Count::default(), Count::default());
        Ok(Self { settings, rule: Rule::Nothing, rows, new, keys: Vec::new(), first: true })
    }

    fn subscription(&self) -> Subscription {
        let subscription =
            if self.settings.rows_only { Subscription::to(&[Kind::Row]) } else { Subscription::default() };
        if self.settings.selects { subscription.selects() } else { subscription }
    }

    fn judge(&mut self, flow: &Flow<'_>) -> Verdicts {
        if flow.kind() != Kind::Row {
            self.new.add(flow);
            return self.settings.mark_new.map(|wanted| mark(wanted).because("new", "")).into();
        }
        self.rows.add(flow);
        if self.settings.remember {
            self.keys.push(flow.key());
        }
        let wanted = match &self.rule {
            Rule::Delete(network) if network.contains(flow.src()) => Some(delete().because("counted-out", "")),
            Rule::Mark(wanted, network) if network.contains(flow.src()) => Some(mark(*wanted).because("counted", "")),
            Rule::Nothing | Rule::Delete(_) | Rule::Mark(..) => None,
        };
        let told = std::mem::take(&mut self.first) && self.settings.tell_first;
        let mut verdicts = Verdicts::from(wanted);
        if told {
            verdicts.push(log([("id", flow.id().to_string())]).because("first-row", ""));
        }
        verdicts
    }

    fn sweep_begin(&mut self, _: Extent, _: Timestamp) -> Verdicts {
        self.rows = Count::default();
        self.keys.clear();
        Verdicts::none()
    }

    fn sweep_end(&mut self, complete: bool, _: Timestamp) -> Verdicts {
        let Count { entries, ids } = &self.rows;
        let fields = [("rows", entries.to_string()), ("ids", ids.to_string()), ("complete", complete.to_string())];
        log(fields).because("tallied", "").into()
    }

    fn message(&mut self, text: &str, _: Timestamp) -> Result<Reply, Refusal> {
        let words: Vec<&str> = text.split_whitespace().collect();
        match words.as_slice() {
            ["sweep"] => Ok(reply("asked").with(sweep())),
            ["sweep", words @ ..] => Ok(reply("asked").with(sweep().on(filter(words)?))),
            ["judge", "nothing"] => self.rule(Rule::Nothing),
            ["judge", "delete", network] => self.rule(Rule::Delete(network.parse()?)),
            ["judge", "mark", value, network] => self.rule(Rule::Mark(value.parse()?, network.parse()?)),
            ["end", network] => {
                let flows = Filter::new().from(network.parse::<Prefix>()?);
                Ok(reply("ended").with(delete().on(flows).because("ended", "")))
            }
            ["mark", value, from, count] => {
                let (wanted, from, count): (Masked, usize, usize) = (value.parse()?, from.parse()?, count.parse()?);
                let keys = self.keys.iter().skip(from).take(count);
                let verdicts: Verdicts = keys.map(|key| mark(wanted).on(*key).because("remembered", "")).collect();
                Ok(reply("marked").with(verdicts))
            }
            ["count"] => Ok(reply(format!(
                "rows {} {} new {} {}",
                self.rows.entries, self.rows.ids, self.new.entries, self.new.ids
            ))),
            _ => Err("the words are sweep, judge, end, mark and count".into()),
        }
    }
}

impl Tally {
    fn rule(&mut self, rule: Rule) -> Result<Reply, Refusal> {
        self.rule = rule;
        Ok(reply("noted"))
    }
}

/// A filter from pairs of a name and a value.
fn filter(words: &[&str]) -> Result<Filter, Refusal> {
    words.chunks(2).try_fold(Filter::new(), |filter, pair| {
        let [name, value] = pair else { return Err("a name lacks its value".into()) };
        Ok(match *name {
            "src" => filter.from(value.parse::<Prefix>()?),
            "dst" => filter.to(value.parse::<Prefix>()?),
            "mark" => filter.mark(value.parse::<Masked>()?),
            "zone" => filter.zone(value.parse()?),
            "status" => {
                let bits: Masked = value.parse()?;
                filter.status_bits(Status(bits.value()), Status(bits.mask() & !bits.value()))
            }
            "protocol" => filter.protocol(value.parse()?),
            "dport" => filter.dst_port(value.parse::<Ports>()?),
            other => return Err(format!("nothing is called {other}").into()),
        })
    })
}

export!(Tally);
