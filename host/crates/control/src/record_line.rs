//! A line of records, as a reader sees it.
//!
//! Names of the lines are stable, and readers skip names that they do not know. `docs/records.schema.json` has them all.

use std::net::IpAddr;

use ctwarden_model::Prefix;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{Facets, RecordFilter};

/// One record.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct RecordLine {
    /// RFC 3339 in UTC, always 30 characters. Times sort as texts.
    pub time: String,
    /// `verdict`, `fault`, `notice` or `flow`.
    pub record: String,
    pub plugin: Option<String>,
    pub mode: Option<String>,
    /// Kind of the verdict.
    pub action: Option<String>,
    pub outcome: Option<String>,
    pub refusal: Option<String>,
    pub code: Option<String>,
    pub reason: Option<String>,
    pub flow: Option<RecordFlow>,
    /// The reply direction of a begun or ended flow.
    pub reply: Option<RecordFlow>,
    pub block: Option<RecordBlock>,
    pub unblock: Option<RecordBlock>,
    pub alert: Option<RecordAlert>,
    /// Name of the fault.
    pub fault: Option<String>,
    /// Name of the notice.
    pub notice: Option<String>,
    /// `new` or `ended`.
    pub event: Option<String>,
    pub text: Option<String>,
    /// How claims on a set changed.
    pub change: Option<String>,
    /// Networks of changed claims, some with a service.
    #[serde(default)]
    pub members: Vec<String>,
    /// All other parts.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// A flow, or one direction of it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct RecordFlow {
    #[serde(default)]
    pub id: u32,
    #[serde(default)]
    pub zone: u16,
    #[serde(default)]
    pub protocol: String,
    pub src: IpAddr,
    pub dst: IpAddr,
    pub src_port: Option<u16>,
    pub dst_port: Option<u16>,
    pub icmp_type: Option<u8>,
    pub icmp_code: Option<u8>,
    pub icmp_id: Option<u16>,
}

/// A network and its set.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct RecordBlock {
    pub set: String,
    pub network: String,
    pub seconds: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct RecordAlert {
    /// 0 (emergency) to 7 (debug), as in RFC 5424.
    pub severity: u8,
    pub title: String,
    #[serde(default)]
    pub key: String,
    #[serde(default)]
    pub fields: Map<String, Value>,
}

impl RecordLine {
    /// Reads a line.
    ///
    /// # Errors
    /// The line is no JSON object with a time and a kind.
    pub fn read(line: &str) -> serde_json::Result<Self> {
        serde_json::from_str(line)
    }

    /// The kind of a verdict, or else the kind of the record.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.action.as_deref().unwrap_or(&self.record)
    }

    #[must_use]
    pub fn is_loss(&self) -> bool {
        self.notice.as_deref() == Some("records-lost")
    }

    /// What a [`RecordFilter`] tests.
    #[must_use]
    pub fn facets(&self) -> Facets<'_> {
        let directions = self.flow.iter().chain(&self.reply);
        let ends = directions.flat_map(|flow| [Prefix::host(flow.src), Prefix::host(flow.dst)]);
        let blocks = self.block.iter().chain(&self.unblock).filter_map(|block| block.network.parse().ok());
        let members = self.members.iter().filter_map(|member| member.split(' ').next()?.parse().ok());
        let networks = ends.chain(blocks).chain(members).collect();
        match self.record.as_str() {
            "flow" => Facets::Flow(networks),
            _ if self.is_loss() => Facets::Loss,
            _ => Facets::Decision {
                plugin: self.plugin.as_deref(),
                kind: self.kind(),
                outcome: self.outcome.as_deref(),
                networks,
            },
        }
    }

    /// The severity as in RFC 5424: that of an alert that was shown, and warning or worse for what an operator should
    /// look at.
    #[must_use]
    pub fn severity(&self) -> u8 {
        const ERROR: u8 = 3;
        const WARNING: u8 = 4;
        const NOTICE: u8 = 5;
        const INFORMATIONAL: u8 = 6;
        match (self.kind(), self.outcome.as_deref().unwrap_or_default()) {
            (RecordFilter::FAULT, _) => ERROR,
            (RecordFilter::NOTICE, _) => match self.notice.as_deref().unwrap_or_default() {
                "overrun" | "breaker-opened" | "missed" | "set-refused" | "set-lines-skipped" | "firewall-repaired"
                | "records-folded" | "comes-back" | "reload-failed" | "warned" | "records-lost" => WARNING,
                "swept" => INFORMATIONAL,
                _ => NOTICE,
            },
            ("alert", "applied" | "observed") => self.alert.as_ref().map_or(WARNING, |alert| alert.severity.min(7)),
            (_, "refused" | "not-granted") => NOTICE,
            _ => INFORMATIONAL,
        }
    }

    /// Whether people should see the record even if they look at alerts only: an alert that was shown, a list that is
    /// not in force as written, a repair of the packet filter, or bans that ended early.
    #[must_use]
    pub fn is_alert(&self) -> bool {
        let shown = matches!(self.outcome.as_deref(), Some("applied" | "observed"));
        let told = match self.notice.as_deref() {
            Some("set-refused" | "set-lines-skipped" | "firewall-repaired") => true,
            Some("claims-changed") => self.change.as_deref() == Some("evicted"),
            _ => false,
        };
        (self.alert.is_some() && shown) || told
    }
}
