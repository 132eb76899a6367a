//! A policy of the expectation table: deletes the expectations of some helpers and records those of others.
//!
//! This guest shows that the optional interface works from the SDK to the kernel.

use ctwarden_sdk::expectation::Expectation;
use ctwarden_sdk::prelude::*;
use serde::Deserialize;

/// The configuration of the policy.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Settings {
    /// The helpers whose expectations are deleted.
    delete: Vec<String>,
}

/// A policy on expectations, built with the SDK.
#[derive(Debug)]
pub struct Expecting(Settings);

impl Policy for Expecting {
    type Config = Settings;
    const WANTS: &'static [VerdictKind] = &[VerdictKind::Delete, VerdictKind::Log];

    fn configure(settings: Settings, _: Timestamp) -> Result<Self, Refusal> {
        Ok(Self(settings))
    }

    fn judge(&mut self, _: &Flow<'_>) -> Verdicts {
        Verdicts::none()
    }
}

impl Expectations for Expecting {
    fn judge_expectation(&mut self, expectation: &Expectation) -> Verdicts {
        let helper = expectation.helper().unwrap_or("none");
        if expectation.kind() == Kind::Destroy || !self.0.delete.iter().any(|name| name == helper) {
            let expected = expectation.expected();
            return log([
                ("kind", format!("{:?}", expectation.kind()).to_lowercase()),
                ("helper", helper.to_owned()),
                ("master", expectation.master().endpoints.src.to_string()),
                ("master_protocol", expectation.master().protocol.to_string()),
                ("port", expected.dst_port.to_string()),
                ("protocol", expectation.protocol().to_string()),
            ])
            .because("expectation", "")
            .into();
        }
        delete().because("helper", helper).into()
    }
}

export!(Expecting with expectations);
