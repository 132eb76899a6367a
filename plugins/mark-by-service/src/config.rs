//! The configuration under `[plugin.config]`. `ctwarden check` shows the doc comments of the keys to the operator.

use ctwarden_sdk::prelude::*;
use serde::Deserialize;

/// Configuration of mark-by-service.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Config {
    /// Services in order: the first that a flow belongs to decides.
    #[serde(default)]
    pub rules: Vec<Rule>,
    /// Mark and labels of flows that belong to no service. Default: such flows are left alone.
    pub default: Option<Change>,
    /// Seconds between sweeps that correct what others changed. 0: only at the start and after lost events. Default:
    /// 300.
    #[serde(default = "sweep_seconds")]
    pub sweep_seconds: u32,
}

const fn sweep_seconds() -> u32 {
    300
}

/// A service. Every part that is given must match. A part that is not given matches every flow.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Rule {
    /// Name of the service, which appears in records: letters, digits and `-`.
    #[schemars(regex(pattern = "^[A-Za-z0-9-]{1,64}$"))]
    pub name: String,
    /// Protocols of the flow. Any one suffices.
    #[serde(default)]
    pub protocols: Vec<Protocol>,
    /// Ports to which the first packet was sent. Any one suffices.
    #[serde(default)]
    pub ports: Vec<Ports>,
    /// Networks from which the first packet came. Any one suffices.
    #[serde(default)]
    pub from: Vec<Prefix>,
    /// Networks to which the first packet was sent, before NAT. Any one suffices.
    #[serde(default)]
    pub to: Vec<Prefix>,
    /// Name of the connection tracking helper of the flow, such as ftp or sip.
    pub helper: Option<String>,
    /// Whether connections that a helper expected for such a flow (FTP data, SIP media) belong to the service too.
    /// Default: false.
    #[serde(default)]
    pub related: bool,
    /// Mark that the flows get, under a mask. Bits outside the mask are left alone.
    pub mark: Option<Masked>,
    /// Numbers of the label bits that the flows get, 0 to 127. The ruleset must use connection labels.
    #[serde(default)]
    #[schemars(inner(range(max = 127)))]
    pub labels: Vec<u8>,
}

/// Mark and labels that a flow gets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Change {
    /// Mark under a mask. Bits outside the mask are left alone.
    pub mark: Option<Masked>,
    /// Numbers of label bits, 0 to 127.
    #[serde(default)]
    #[schemars(inner(range(max = 127)))]
    pub labels: Vec<u8>,
}
