//! A protocol that an object gives by name, by number, or by both.

use ctwarden_model::Protocol;

use super::super::error::{LineError, LineProblem};
use super::super::json_syntax::Json;
use super::expected::{TEXT, U8};

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ToldProtocol {
    name: Option<Protocol>,
    number: Option<Protocol>,
}

impl ToldProtocol {
    pub(super) fn get(self) -> Option<Protocol> {
        self.name.or(self.number)
    }

    /// Whether the name is one of these two.
    pub(super) fn read(&mut self, json: &mut Json<'_>, name: &str) -> Result<bool, LineError> {
        match name {
            "protocol" => {
                let at = json.at();
                let text = json.string(TEXT)?;
                let protocol = Protocol::parse(&text).filter(|_| !text.starts_with('+'));
                let expected = "the name or the number of a protocol";
                self.name =
                    Some(protocol.ok_or_else(|| json.fail(at, LineProblem::value("protocol", expected, &text)))?);
            }
            "protocol_number" => self.number = Some(Protocol(json.number("protocol_number", U8)?)),
            _ => return Ok(false),
        }
        Ok(true)
    }
}
