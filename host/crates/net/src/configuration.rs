//! How a policy's configuration writes these values, and how its schema describes them.
//!
//! Only the SDK needs this module, so the feature `configuration` guards it. The host reads its own configuration with
//! other code, which remembers the place of each value.

pub mod number_or_text;

use alloc::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

use crate::{Masked, PortRange, Prefix, Protocol};

impl<'de> Deserialize<'de> for Masked {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        number_or_text::deserialize(deserializer, "a value under a mask", |text| text.parse())
    }
}

impl JsonSchema for Masked {
    fn schema_name() -> Cow<'static, str> {
        "Masked".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A value under a mask such as \"0x10/0xff\", or a number for all 32 bits.",
            "anyOf": [{ "type": "string" }, { "type": "integer", "minimum": 0, "maximum": 4_294_967_295_u32 }],
        })
    }
}

impl<'de> Deserialize<'de> for PortRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        number_or_text::deserialize(deserializer, "a port or a range of ports", |text| text.parse())
    }
}

impl JsonSchema for PortRange {
    fn schema_name() -> Cow<'static, str> {
        "Ports".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A port such as 22, or a range such as \"8000-8999\".",
            "anyOf": [{ "type": "integer", "minimum": 0, "maximum": 65535 }, { "type": "string" }],
        })
    }
}

impl<'de> Deserialize<'de> for Prefix {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        number_or_text::deserialize(deserializer, "an address or network", |text| text.parse())
    }
}

impl JsonSchema for Prefix {
    fn schema_name() -> Cow<'static, str> {
        "Prefix".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "An address or a network, such as \"192.0.2.7\", \"192.0.2.0/24\" or \"2001:db8::/32\".",
            "type": "string",
        })
    }
}

impl<'de> Deserialize<'de> for Protocol {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        number_or_text::deserialize(deserializer, "the name or number of a protocol", |text| text.parse())
    }
}

impl JsonSchema for Protocol {
    fn schema_name() -> Cow<'static, str> {
        "Protocol".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "IP protocol: a name such as \"tcp\", or its number.",
            "anyOf": [{ "type": "string" }, { "type": "integer", "minimum": 0, "maximum": 255 }],
        })
    }
}
