//! How a policy is configured: the host hands over JSON that its schema has already accepted, the policy sees its own type.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::Refusal;

/// A configuration that a policy can take: anything that derives `Deserialize` and `JsonSchema`, or [`Nothing`].
///
/// Comments on the fields become the descriptions that `ctwarden check` shows, so write them for operators.
///
/// ```
/// use ctwarden_sdk::prelude::*;
/// use serde::Deserialize;
///
/// #[derive(Deserialize, JsonSchema)]
/// #[serde(rename_all = "kebab-case", deny_unknown_fields)]
/// struct Settings {
///     /// Ports that nobody may use.
///     ports: Vec<Ports>,
///     /// How long an offender is blocked.
///     #[serde(default)]
///     block_seconds: u32,
/// }
/// ```
pub trait Configuration: Sized {
    /// JSON Schema (draft 2020-12); empty where nothing can be configured.
    fn schema() -> String;

    /// Reads it.
    ///
    /// # Errors
    /// One line that names the key at fault.
    fn read(json: &str) -> Result<Self, Refusal>;
}

impl<T: DeserializeOwned + JsonSchema> Configuration for T {
    fn schema() -> String {
        SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>().as_value().to_string()
    }

    fn read(json: &str) -> Result<Self, Refusal> {
        Ok(serde_json::from_str(json)?)
    }
}

/// The configuration of a policy that has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Nothing;

/// What the host may hand over where nothing can be configured.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Empty {}

impl Configuration for Nothing {
    fn schema() -> String {
        String::new()
    }

    fn read(json: &str) -> Result<Self, Refusal> {
        match json.trim() {
            "" | "null" => Ok(Self),
            text => {
                let Empty {} = serde_json::from_str(text)?;
                Ok(Self)
            }
        }
    }
}
