//! The machine's names: protocols and connection labels.
//!
//! The grammar of the command line needs them but cannot read them itself.

use std::cell::OnceCell;
use std::fs;

use ctwarden_format::LabelMap;
use ctwarden_format::command::Environment;
use ctwarden_model::Protocol;

use super::failure::text_of;

/// Name of the command. The words of a line of a file are parsed as if they followed it.
pub(super) const NAME: &str = "conntrack";

const PROTOCOLS: &str = "/etc/protocols";
const LABELS: &str = "/etc/xtables/connlabel.conf";

/// The machine that the command runs on. Each file is read when the first name is looked up.
#[derive(Default)]
pub(super) struct HostEnvironment {
    protocols: OnceCell<String>,
}

impl HostEnvironment {
    fn protocols(&self) -> impl Iterator<Item = (&str, Protocol, impl Iterator<Item = &str>)> {
        let text = self.protocols.get_or_init(|| fs::read_to_string(PROTOCOLS).unwrap_or_default());
        text.lines().filter_map(|line| {
            let mut words = line.split('#').next()?.split_ascii_whitespace();
            let name = words.next()?;
            let number = words.next()?.parse().ok()?;
            Some((name, Protocol(number), words))
        })
    }
}

impl Environment for HostEnvironment {
    fn protocol_named(&self, name: &str) -> Option<Protocol> {
        let mut protocols = self.protocols();
        protocols.find_map(|(first, protocol, mut aliases)| {
            (first == name || aliases.any(|alias| alias == name)).then_some(protocol)
        })
    }

    fn name_of_protocol(&self, protocol: Protocol) -> Option<String> {
        self.protocols().find(|(_, number, _)| *number == protocol).map(|(name, _, _)| name.to_owned())
    }

    fn label_map(&self, path: Option<&str>) -> Result<LabelMap, String> {
        let text = fs::read_to_string(path.unwrap_or(LABELS)).map_err(|error| text_of(&error))?;
        Ok(LabelMap::parse(&text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_protocol_has_a_name_and_aliases() {
        let machine = HostEnvironment::default();
        let text = "# comment\nicmp\t1\tICMP\t\t# control\nipv6-icmp 58 IPv6-ICMP\nbad x Y\n";
        machine.protocols.set(text.to_owned()).unwrap();
        assert_eq!(machine.protocol_named("ICMP"), Some(Protocol(1)));
        assert_eq!(machine.protocol_named("ipv6-icmp"), Some(Protocol(58)));
        assert_eq!(machine.protocol_named("IPv6-ICMP"), Some(Protocol(58)));
        assert_eq!(machine.protocol_named("bad"), None);
        assert_eq!(machine.name_of_protocol(Protocol(1)).as_deref(), Some("icmp"));
    }
}
