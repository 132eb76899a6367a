//! Compiles comparisons: `==`, `<`, `in`. A field and a constant become a range, and a comparison that has one answer for
//! every flow is refused.
#![allow(clippy::wildcard_enum_match_arm, reason = "what is not compiled is refused, a new variant too")]

use std::net::IpAddr;

use cel::IdedExpr;
use ctwarden_net::{Prefix, Protocol};

use crate::compile::Compiler;
use crate::expression::Fault;
use crate::field::{Address, Field, Type};
use crate::predicate::{Arithmetic, Number, Order, Predicate};
use crate::states;
use crate::value::Value;

impl<'e> Compiler<'e, '_> {
    pub(crate) fn equal(&mut self, left: &'e IdedExpr, right: &'e IdedExpr) -> Result<Value<'e>, Fault> {
        let at = self.start(left);
        let (one, other) = (self.value(left)?, self.value(right)?);
        // A literal on the left side is as good as on the right.
        let (one, other) = if matches!(one, Value::Text(_)) { (other, one) } else { (one, other) };
        let predicate = match (one, other) {
            (Value::Address(one), Value::Address(other)) => Predicate::Same(one, other),
            (Value::Address(address), Value::Text(text)) => {
                let parsed = text.parse::<IpAddr>();
                let host = parsed.map(|host| Prefix::host(host).canonical());
                let host = host.map_err(|_| Fault { at, what: not_one_address(&text, address) })?;
                Predicate::in_networks(address, [host])
            }
            (Value::Helper, Value::Text(name)) => Predicate::Helper([name].into()),
            (Value::LookedUp(lookup), Value::Text(value)) => Predicate::ListedAs(lookup, [value].into()),
            (one @ (Value::Bool(_) | Value::Bit(_)), other @ (Value::Bool(_) | Value::Bit(_))) => {
                let (Some(one), Some(other)) = (condition(one), condition(other)) else {
                    return Err(Fault { at, what: "these cannot be compared".to_owned() });
                };
                let inverse = other.clone().not();
                Predicate::If(Box::new([one, other, inverse]))
            }
            (Value::Number(kind, number), Value::Text(text)) => {
                let constant = self.constant_of(kind, &number, &text).map_err(|what| Fault { at, what })?;
                return self.numbers(Order::Equal, (kind, number), (kind, constant), at);
            }
            (Value::Number(left, one), Value::Number(right, other)) => {
                return self.numbers(Order::Equal, (left, one), (right, other), at);
            }
            (one, other) => return Err(Fault { at, what: not_comparable(&one, &other) }),
        };
        Ok(Value::Bool(predicate))
    }

    pub(crate) fn compare(
        &mut self,
        order: Order,
        left: &'e IdedExpr,
        right: &'e IdedExpr,
    ) -> Result<Value<'e>, Fault> {
        let at = self.start(left).into_iter().chain(self.start(right)).min();
        match (self.value(left)?, self.value(right)?) {
            (Value::Number(left, one), Value::Number(right, other)) => {
                self.numbers(order, (left, one), (right, other), at)
            }
            (one, other) => Err(Fault { at, what: not_comparable(&one, &other) }),
        }
    }

    /// Compares two numbers. A field and a constant become a range.
    fn numbers(
        &self,
        order: Order,
        (left, one): (Type, Number),
        (right, other): (Type, Number),
        at: Option<usize>,
    ) -> Result<Value<'e>, Fault> {
        if left != right {
            return Err(Fault { at, what: different_types(left, right) });
        }
        let predicate = match (&one, one.constant(), &other, other.constant()) {
            (Number::Field(field), _, _, Some(constant)) => match order {
                Order::Equal => Predicate::among(*field, [(constant, constant)]),
                Order::Less => match constant.checked_sub(1) {
                    Some(most) => Predicate::among(*field, [(i64::MIN, most)]),
                    None => Predicate::Constant(false),
                },
                Order::LessOrEqual => Predicate::among(*field, [(i64::MIN, constant)]),
            },
            (_, Some(constant), Number::Field(field), _) => match order {
                Order::Equal => Predicate::among(*field, [(constant, constant)]),
                Order::Less => match constant.checked_add(1) {
                    Some(least) => Predicate::among(*field, [(least, i64::MAX)]),
                    None => Predicate::Constant(false),
                },
                Order::LessOrEqual => Predicate::among(*field, [(constant, i64::MAX)]),
            },
            (Number::Computed(Arithmetic::BitAnd, pair), _, _, Some(value)) if order == Order::Equal => {
                match (&pair.0, pair.0.constant(), &pair.1, pair.1.constant()) {
                    (Number::Field(field), _, _, Some(mask)) | (_, Some(mask), Number::Field(field), _) => {
                        if value & !mask != 0 {
                            let what = format!(
                                "this is never true: {value:#x} has bits outside the mask {mask:#x}; change one of them"
                            );
                            return Err(Fault { at, what });
                        }
                        Predicate::Bits { field: *field, mask, value }
                    }
                    _ => Predicate::Compare(order, Box::new((one, other))),
                }
            }
            (_, Some(one), _, Some(other)) => Predicate::Constant(match order {
                Order::Equal => one == other,
                Order::Less => one < other,
                Order::LessOrEqual => one <= other,
            }),
            _ => Predicate::Compare(order, Box::new((one, other))),
        };
        self.informative(predicate, at)
    }

    /// Refuses a comparison that has the same answer for every flow.
    fn informative(&self, predicate: Predicate, at: Option<usize>) -> Result<Value<'e>, Fault> {
        match &predicate {
            Predicate::Constant(answer) => {
                let when = if *answer { "always" } else { "never" };
                let what = format!("this is {when} true, because no flow has such a value; correct the number");
                Err(Fault { at, what })
            }
            Predicate::Within(field, first, last) if (*first, *last) == field.bounds() => {
                let (least, most) = field.bounds();
                let what =
                    format!("this is always true: {} is from {least} to {most}; correct the number", field.name());
                Err(Fault { at, what })
            }
            _ => Ok(Value::Bool(predicate)),
        }
    }

    pub(crate) fn contained(&mut self, left: &'e IdedExpr, right: &'e IdedExpr) -> Result<Value<'e>, Fault> {
        let at = self.start(left);
        let (one, other) = (self.value(left)?, self.value(right)?);
        let predicate = match (one, other) {
            (Value::Address(address), Value::Set(set)) => Predicate::Listed(self.lookups.add(set, address)),
            (Value::Address(address), Value::Text(text)) => {
                let network = text.parse::<Prefix>().map_err(|error| Fault {
                    at: self.start(right),
                    what: format!("{error}; write sets.NAME or set(\"NAME\") if a set is meant"),
                })?;
                Predicate::in_networks(address, [network.canonical()])
            }
            (Value::Number(Type::Int, number), Value::Labels) => match number.constant().map(u8::try_from) {
                Some(Ok(bit @ 0..=127)) => Predicate::Label(bit),
                _ => return self.fault(left, "a label is a number from 0 to 127"),
            },
            (one, Value::List(elements)) => {
                if elements.is_empty() {
                    return self.fault(right, "this is never true: the list is empty; write its values");
                }
                return self.in_list(one, elements, at);
            }
            (one, other) => {
                let what = format!(
                    "in needs an address and a set, network or list, or a value and a list; this is {} in {}",
                    one.kind().name(),
                    other.kind().name()
                );
                return Err(Fault { at, what });
            }
        };
        Ok(Value::Bool(predicate))
    }

    fn in_list(&mut self, one: Value<'e>, elements: &'e [IdedExpr], at: Option<usize>) -> Result<Value<'e>, Fault> {
        let predicate = match one {
            Value::Address(address) => {
                let networks = elements.iter().map(|element| {
                    let text = self.text(element, "an address or network in quotes")?;
                    let network = text.parse::<Prefix>();
                    network
                        .map(Prefix::canonical)
                        .map_err(|error| Fault { at: self.start(element), what: error.to_string() })
                });
                Predicate::in_networks(address, networks.collect::<Result<Vec<_>, _>>()?)
            }
            Value::Helper => Predicate::Helper(self.texts(elements)?),
            Value::LookedUp(lookup) => Predicate::ListedAs(lookup, self.texts(elements)?),
            Value::Number(kind, number) => return self.number_in_list(kind, number, elements, at),
            other => {
                return Err(Fault { at, what: format!("{} cannot be looked for in a list", other.kind().name()) });
            }
        };
        Ok(Value::Bool(predicate))
    }

    fn number_in_list(
        &mut self,
        kind: Type,
        number: Number,
        elements: &'e [IdedExpr],
        at: Option<usize>,
    ) -> Result<Value<'e>, Fault> {
        let mut constants = Vec::new();
        for element in elements {
            let constant = match self.value(element)? {
                Value::Number(of, constant) if of == kind => constant.constant(),
                Value::Text(text) => {
                    let read = self.constant_of(kind, &number, &text);
                    read.map_err(|what| Fault { at: self.start(element), what })?.constant()
                }
                other => return self.fault(element, different_types(kind, other.kind())),
            };
            let Some(constant) = constant else {
                return self.fault(element, "a list takes only values that do not depend on the flow");
            };
            if let Number::Field(field) = &number
                && Predicate::among(*field, [(constant, constant)]) == Predicate::Constant(false)
            {
                let (least, most) = field.bounds();
                return self.fault(element, format!("{} is a number from {least} to {most}", field.name()));
            }
            constants.push(constant);
        }
        let predicate = match &number {
            Number::Field(field) => Predicate::among(*field, constants.into_iter().map(|value| (value, value))),
            _ => Predicate::any(
                constants
                    .into_iter()
                    .map(|value| Predicate::Compare(Order::Equal, Box::new((number.clone(), Number::Constant(value)))))
                    .collect(),
            ),
        };
        self.informative(predicate, at)
    }

    fn text(&mut self, part: &'e IdedExpr, what: &str) -> Result<String, Fault> {
        match self.value(part)? {
            Value::Text(text) => Ok(text),
            other => self.fault(part, format!("this is {}, and must be {what}", other.kind().name())),
        }
    }

    fn texts(&mut self, elements: &'e [IdedExpr]) -> Result<Box<[String]>, Fault> {
        elements.iter().map(|element| self.text(element, "a text in quotes")).collect()
    }

    /// Returns the number that a word means for a field: the protocol "tcp", the state "ESTABLISHED".
    fn constant_of(&self, kind: Type, number: &Number, text: &str) -> Result<Number, String> {
        let constant = |number: u8| Ok(Number::Constant(number.into()));
        match (number, kind) {
            (Number::Field(Field::Protocol), _) => match text.parse::<Protocol>() {
                Ok(protocol) => constant(protocol.0),
                Err(error) => Err(error.to_string()),
            },
            (Number::Field(Field::Family), _) => match text {
                "ipv4" => constant(4),
                "ipv6" => constant(6),
                _ => Err(format!("\"{text}\" is not a family; write ipv4 or ipv6")),
            },
            (Number::Field(Field::State), _) => constant(states::number(text, self.protocols)?),
            (_, Type::Duration) => Err(format!("a duration is written duration(\"{text}\")")),
            (_, Type::Timestamp) => Err(format!("a time is written timestamp(\"{text}\")")),
            (_, _) => Err(format!("\"{text}\" is a text, and this is a number; remove the quotes")),
        }
    }
}

fn condition(value: Value<'_>) -> Option<Predicate> {
    match value {
        Value::Bool(predicate) => Some(predicate),
        Value::Bit(bit) => Some(Predicate::Bits { field: Field::Status, mask: bit.into(), value: bit.into() }),
        _ => None,
    }
}

fn not_one_address(text: &str, address: Address) -> String {
    match text.parse::<Prefix>() {
        Ok(_) => format!("\"{text}\" is a network; write {} in \"{text}\"", address.name()),
        Err(error) => error.to_string(),
    }
}

fn not_comparable(one: &Value<'_>, other: &Value<'_>) -> String {
    let (left, right) = (one.kind(), other.kind());
    match (left, right) {
        (Type::Address, Type::Set | Type::List) => "an address is looked for with in: flow.src in sets.NAME".to_owned(),
        (Type::Address | Type::Text | Type::Bool, _) if left == right => {
            format!("{} has no order; write ==, != or in", left.name())
        }
        (Type::Duration, Type::Text) | (Type::Text, Type::Duration) => {
            "a duration is written duration(\"30s\")".to_owned()
        }
        _ => different_types(left, right),
    }
}

fn different_types(left: Type, right: Type) -> String {
    let hint = match (left, right) {
        (Type::Duration, Type::Int) | (Type::Int, Type::Duration) => "; write for example duration(\"30s\")",
        (Type::Timestamp, _) | (_, Type::Timestamp) => "; write for example timestamp(\"2026-01-01T00:00:00Z\")",
        _ => "",
    };
    format!("{} and {} cannot be compared{hint}", left.name(), right.name())
}
