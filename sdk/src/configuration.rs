//! Configurations of policies. The host passes JSON that conforms to the policy's schema, and the policy gets a value
//! of its own type.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::Refusal;

/// A type that a policy can take as its configuration: any type that derives `Deserialize` and `JsonSchema`, or
/// [`Nothing`].
///
/// The doc comments of the fields become the descriptions that `ctwarden check` shows, so write them for operators.
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
    /// Returns the JSON Schema (draft 2020-12) of the type. Empty if the policy takes no configuration.
    fn schema() -> String;

    /// Reads the configuration from JSON.
    ///
    /// # Errors
    /// One line that names the key with the problem.
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

/// The configuration of a policy that takes none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Nothing;

/// The JSON that the host may pass to a policy without configuration.
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
