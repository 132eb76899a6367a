//! Reads the words one after the other.
//!
//! A mistake in a word ends the reading at that word, before any check of combinations. Scripts see which message comes
//! first.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::IpAddr;

use ctwarden_model::{EventKind, Family, Flow, FlowId, NatTo, Protocol, Zone};

use super::address::{self, PrefixLength};
use super::environment::Environment;
use super::error::{Checked, Refused, other, parameter};
use super::named::{self, output};
use super::number;
use super::option::{Key, OPTIONS};
use super::protocol::{PROTOCOLS, ProtocolDefinition};
use super::protocol_part;
use super::saved;
use super::settle;
use super::template::{LabelWord, Template};
use super::value::{Command, Parsed, Source, Table};
use super::verb::{CommandDefinition, Verb};
use super::words::{Code, CommandWords, Step};

/// Reads a command line. `program` is the name that the command was called by, which one message quotes; `words` are the
/// words after it.
///
/// # Errors
/// [`Refused`] if 1.4.9 refuses, in its words.
pub fn parse<W: AsRef<str>>(program: &str, words: &[W], environment: &impl Environment) -> Result<Parsed, Refused> {
    if let [option, file, ..] = words
        && matches!(option.as_ref(), "-R" | "--load-file")
    {
        let command = Command::Load { file: Source::named(file.as_ref()) };
        return Ok(Parsed { command, warnings: Vec::new() });
    }
    read(program, words.iter().map(AsRef::as_ref), environment)
}

/// Reads words; the first one may not be `-R`.
pub(super) fn read<'a>(
    program: &'a str,
    words: impl Iterator<Item = &'a str>,
    environment: &impl Environment,
) -> Result<Parsed, Refused> {
    let mut reader = CommandReader {
        words: CommandWords::new(program, words),
        template: Template::default(),
        warnings: Vec::new(),
        environment,
    };
    let command = reader.all().and_then(|()| settle::command(&reader.template, environment, &mut reader.warnings));
    match command {
        Ok(command) => Ok(Parsed { command, warnings: reader.warnings }),
        Err(problem) => Err(Refused { warnings: reader.warnings, problem }),
    }
}

/// Reads the words of a saved line as an entry.
pub(super) fn entry<'a>(
    program: &'a str,
    words: impl Iterator<Item = &'a str>,
    environment: &impl Environment,
) -> Result<(EventKind, Flow), Refused> {
    let mut reader = CommandReader {
        words: CommandWords::new(program, words),
        template: Template::default(),
        warnings: Vec::new(),
        environment,
    };
    let entry = reader.all().and_then(|()| settle::entry(&reader.template, environment, &mut reader.warnings));
    entry.map_err(|problem| Refused { warnings: reader.warnings, problem })
}

struct CommandReader<'a, S> {
    words: CommandWords<'a>,
    template: Template,
    warnings: Vec<String>,
    environment: &'a S,
}

impl<S: Environment> CommandReader<'_, S> {
    fn all(&mut self) -> Checked<()> {
        while let Some(step) = self.words.step() {
            match step {
                Step::Lacks(word) => return parameter(format!("option `{word}' requires an argument")),
                Step::Unknown(word) => return parameter(format!("unknown option `{word}'")),
                Step::Found(Code::Command(command), joined) => self.command(command, joined)?,
                Step::Found(Code::Option(key), value) => self.option(key, value)?,
                Step::Found(Code::OfProtocol { code, .. }, value) => {
                    protocol_part::set(&mut self.template, code, value.unwrap_or_default())?;
                }
            }
        }
        Ok(())
    }

    /// A command and the table that may follow it.
    fn command(&mut self, command: &CommandDefinition, joined: Option<&str>) -> Checked<()> {
        let word = self.words.value_perhaps(joined);
        let tables = [
            ("expect", None),
            ("conntrack", Some(Table::Conntrack)),
            ("dying", Some(Table::Dying)),
            ("unconfirmed", Some(Table::Unconfirmed)),
        ];
        let table = match word {
            None => Some(Table::Conntrack),
            Some(word) => match tables.into_iter().find(|(name, _)| name.starts_with(word)) {
                Some((_, table)) => table,
                None => return parameter(format!("unknown type `{word}'")),
            },
        };
        let lists = command.verbs.0 == Verb::List;
        if matches!(table, Some(Table::Dying | Table::Unconfirmed)) && !lists {
            return parameter("Can't do that command with tables `dying' and `unconfirmed'");
        }
        let verb = if table.is_some() { Some(command.verbs.0) } else { command.verbs.1 };
        let Some(verb) = verb else { return parameter(format!("Can't do --{} on expectations", command.long)) };
        if self.template.verb.is_some() {
            return parameter("Invalid commands combination");
        }
        self.template.verb = Some(verb);
        self.template.table = table.unwrap_or_default();
        Ok(())
    }

    fn option(&mut self, key: Key, value: Option<&str>) -> Checked<()> {
        let text = value.unwrap_or_default();
        match key {
            Key::OriginalSrc
            | Key::OriginalDst
            | Key::ReplySrc
            | Key::ReplyDst
            | Key::TupleSrc
            | Key::TupleDst
            | Key::MaskSrc
            | Key::MaskDst => self.address(key, text).map(|_| ()),
            Key::SrcNat | Key::DstNat | Key::AnyNat => self.nat(key, value),
            Key::Protocol => self.protocol(text),
            Key::Label | Key::LabelAdd | Key::LabelDel => self.label(key, value),
            Key::NatRange => {
                self.warnings.push("WARNING: ignoring -a, deprecated option.".to_string());
                Ok(())
            }
            Key::Status => self.status(text),
            Key::Output => self.output(text),
            Key::EventMask => {
                self.template.uses(key);
                named::add(&mut self.template.events, text, named::EVENTS, &mut self.warnings)
            }
            Key::Family => self.family(text),
            Key::LabelMap => {
                if self.template.label_map.is_some() {
                    return parameter("option `--labelmap' can only be specified once");
                }
                self.template.uses(key);
                self.template.label_map = Some(text.to_string());
                Ok(())
            }
            Key::Timeout
            | Key::BufferSize
            | Key::Zero
            | Key::Mark
            | Key::Id
            | Key::Secmark
            | Key::Zone
            | Key::OriginalZone
            | Key::ReplyZone => self.number(key, text),
            Key::ExitCode => {
                self.template.uses(key);
                Ok(())
            }
            Key::From => {
                self.template.uses(key);
                self.template.from = Some(text.to_string());
                Ok(())
            }
            Key::Helper
            | Key::HelperInfo
            | Key::OriginalSequence
            | Key::ReplySequence
            | Key::SynProxy
            | Key::Master => {
                self.template.uses(key);
                saved::set(&mut self.template.saved, key, text, self.environment)
            }
        }
    }

    fn number(&mut self, key: Key, text: &str) -> Checked<()> {
        let template = &mut self.template;
        let zone = |letter: char| match number::whole(text, u16::MAX.into()) {
            Some(zone) => Ok(Some(Zone(number::low16(zone)))),
            None => other(format!("unexpected value '{text}' with -{letter} option")),
        };
        let any = |letter: char| match number::whole(text, u32::MAX) {
            Some(value) => Ok(value),
            None => other(format!("unexpected value '{text}' with -{letter} option")),
        };
        if key == Key::Timeout {
            template.timeout = Some(number::low_bits(text));
        } else if key == Key::BufferSize {
            // The kernel reads the number as signed, and a negative one as zero.
            template.buffer = Some(u32::try_from(number::low_bits(text).cast_signed()).unwrap_or(0));
        } else if key == Key::Zone {
            template.zone = zone('w')?;
        } else if key == Key::OriginalZone {
            template.zones.original = zone('(')?;
        } else if key == Key::ReplyZone {
            template.zones.reply = zone(')')?;
        } else if key == Key::Id {
            template.id = Some(FlowId(any('i')?));
        } else if key == Key::Secmark {
            // Entries no longer report this kind of mark, so nothing is compared.
            any('c')?;
        } else if key == Key::Mark {
            let Some(mark) = number::value_and_mask(text) else {
                return other(format!("unexpected value '{text}' with -m option"));
            };
            template.mark = Some(mark);
        }
        self.template.uses(key);
        Ok(())
    }

    fn family(&mut self, text: &str) -> Checked<()> {
        self.template.uses(Key::Family);
        // Text after the name is ignored.
        let family = if text.starts_with("ipv4") {
            Family::Ipv4
        } else if text.starts_with("ipv6") {
            Family::Ipv6
        } else {
            return parameter(format!("`{text}' unsupported protocol"));
        };
        self.agree_on(family)
    }

    fn agree_on(&mut self, family: Family) -> Checked<()> {
        if self.template.family.is_some_and(|known| known != family) {
            return parameter("mismatched address family");
        }
        self.template.family = Some(family);
        Ok(())
    }

    /// An address of an option; a length after it becomes the mask.
    fn address(&mut self, key: Key, text: &str) -> Checked<IpAddr> {
        let Some((address, length)) = address::with_length(text) else {
            return parameter(format!("Invalid IP address `{text}'"));
        };
        self.agree_on(if address.is_ipv4() { Family::Ipv4 } else { Family::Ipv6 })?;
        let masks = [
            (Key::OriginalSrc, Key::MaskSrc),
            (Key::TupleSrc, Key::MaskSrc),
            (Key::OriginalDst, Key::MaskDst),
            (Key::TupleDst, Key::MaskDst),
        ];
        let mask_of = masks.into_iter().find(|(option, _)| *option == key).map(|(_, mask)| mask);
        if length != PrefixLength::None && mask_of.is_none() {
            let name = OPTIONS.iter().find(|option| option.key == key).and_then(|option| option.long.first());
            return parameter(format!("CIDR notation unavailable for `--{}'", name.copied().unwrap_or_default()));
        }
        if length == PrefixLength::Invalid {
            return parameter("Invalid netmask");
        }
        self.place(key, address);
        let whole = if address.is_ipv4() { 32 } else { 128 };
        if let (PrefixLength::Bits(bits), Some(mask)) = (length, mask_of)
            && bits != whole
        {
            self.place(mask, address::mask(address, bits));
        }
        Ok(address)
    }

    fn place(&mut self, key: Key, address: IpAddr) {
        let template = &mut self.template;
        template.uses(key);
        let places = [
            (Key::OriginalSrc, &mut template.original.src),
            (Key::OriginalDst, &mut template.original.dst),
            (Key::ReplySrc, &mut template.reply.src),
            (Key::ReplyDst, &mut template.reply.dst),
            (Key::TupleSrc, &mut template.expected.src),
            (Key::TupleDst, &mut template.expected.dst),
            (Key::MaskSrc, &mut template.mask.src),
            (Key::MaskDst, &mut template.mask.dst),
        ];
        if let Some((_, place)) = places.into_iter().find(|(option, _)| *option == key) {
            *place = Some(address);
        }
    }

    fn nat(&mut self, key: Key, joined: Option<&str>) -> Checked<()> {
        self.template.uses(key);
        let Some(text) = self.words.value_perhaps(joined) else { return Ok(()) };
        let (text, port) = address::split_port(text)?;
        let address = self.address(key, &text)?;
        let set = |to: &mut NatTo| *to = NatTo { address: Some(address), port: port.or(to.port) };
        if key != Key::DstNat {
            set(&mut self.template.source);
        }
        if key != Key::SrcNat {
            set(&mut self.template.destination);
        }
        Ok(())
    }

    /// A protocol: by the name of one with options, by the system's name, or by number.
    fn protocol(&mut self, text: &str) -> Checked<()> {
        self.template.uses(Key::Protocol);
        let named = PROTOCOLS.iter().find(|known| known.name.eq_ignore_ascii_case(text));
        let numbered = || number::whole(text, 255).map(|value| Protocol(number::low8(value)));
        let (protocol, definition): (Protocol, Option<&'static ProtocolDefinition>) = match named {
            Some(known) => (known.protocol, Some(known)),
            None => match (self.environment.protocol_named(text), numbered()) {
                (Some(protocol), _) => (protocol, None),
                (None, Some(number)) => (number, PROTOCOLS.iter().find(|known| known.protocol == number)),
                (None, None) => return parameter(format!("`{text}' unsupported protocol")),
            },
        };
        if let Some(definition) = definition {
            self.words.learn(definition);
        }
        self.template.definition = definition;
        self.template.protocol = Some(protocol);
        Ok(())
    }

    fn label(&mut self, key: Key, value: Option<&str>) -> Checked<()> {
        self.template.uses(key);
        if self.template.used(Key::LabelAdd) && self.template.used(Key::LabelDel) {
            return other("cannot use --label-add and --label-del at the same time");
        }
        let text = if key == Key::LabelDel { self.words.value_perhaps(value) } else { value };
        if let Some(text) = text {
            let word = LabelWord { text: text.to_string(), change: key != Key::Label };
            self.template.labels.push(word);
        }
        Ok(())
    }

    fn status(&mut self, text: &str) -> Checked<()> {
        let template = &mut self.template;
        template.uses(Key::Status);
        named::add_status(&mut template.status, &mut template.status_mask, text, &mut self.warnings)?;
        if template.status_mask == 0 {
            template.status_mask = template.status;
        }
        Ok(())
    }

    fn output(&mut self, text: &str) -> Checked<()> {
        let template = &mut self.template;
        template.uses(Key::Output);
        named::add(&mut template.output, text, named::OUTPUT, &mut self.warnings)?;
        let with = |bits: u32| template.output & bits != 0;
        let others = output::EXTENDED
            | output::TIMESTAMP
            | output::ID
            | output::KERNEL_TIMESTAMP
            | output::LABELS
            | output::XML
            | output::JSON;
        if with(output::SAVE) && with(others) {
            return other("cannot combine save output with any other output type, use -o save only");
        }
        if with(output::JSON) && with(output::XML) {
            return other("cannot combine json output with xml output, use one of them");
        }
        Ok(())
    }
}
