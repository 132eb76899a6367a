//! What an operator writes under `[plugin.config]`; the comments are what `ctwarden check` shows.

use ctwarden_sdk::prelude::*;
use serde::Deserialize;

/// Configuration of mark-by-service.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Config {
    /// Services in order: the first that a flow belongs to decides.
    #[serde(default)]
    pub rules: Vec<Rule>,
    /// What a flow gets that belongs to none of them. Default: it is left alone.
    pub default: Option<Change>,
    /// Seconds between sweeps that put right what others changed; 0: only at start and after lost events. Default: 300.
    #[serde(default = "sweep_seconds")]
    pub sweep_seconds: u32,
}

const fn sweep_seconds() -> u32 {
    300
}

/// A service. Every part that is given must fit; one that is not given fits every flow.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Rule {
    /// Name of the service, which records show: letters, digits and `-`.
    #[schemars(regex(pattern = "^[A-Za-z0-9-]{1,64}$"))]
    pub name: String,
    /// Protocols, any of them.
    #[serde(default)]
    pub protocols: Vec<Protocol>,
    /// Ports that the first packet was sent to, any of them.
    #[serde(default)]
    pub ports: Vec<Ports>,
    /// Networks that the first packet came from, any of them.
    #[serde(default)]
    pub from: Vec<Prefix>,
    /// Networks that the first packet was sent to, before NAT, any of them.
    #[serde(default)]
    pub to: Vec<Prefix>,
    /// Name of the connection tracking helper that the flow has, such as ftp or sip.
    pub helper: Option<String>,
    /// Whether connections that a helper expected on behalf of such a flow (FTP data, SIP media) belong to the service
    /// too. Default: false.
    #[serde(default)]
    pub related: bool,
    /// The mark that its flows get, under a mask: bits outside the mask are left alone.
    pub mark: Option<Masked>,
    /// Numbers of the label bits that its flows get; the ruleset must use connection labels.
    #[serde(default)]
    #[schemars(inner(range(max = 127)))]
    pub labels: Vec<u8>,
}

/// What a flow gets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Change {
    /// The mark, under a mask: bits outside the mask are left alone.
    pub mark: Option<Masked>,
    /// Numbers of label bits.
    #[serde(default)]
    #[schemars(inner(range(max = 127)))]
    pub labels: Vec<u8>,
}
