//! Compiles an expression to typed conditions. A part that cannot be compiled is refused, and not interpreted.
#![allow(clippy::wildcard_enum_match_arm, reason = "what is not compiled is refused, a new variant too")]

use cel::IdedExpr;
use cel::common::ast::{CallExpr, Expr};
use ctwarden_net::{Prefix, Protocol};

use crate::duration;
use crate::expression::{Expression, Fault};
use crate::field::{Field, NAMES, Named, Type};
use crate::lookups::Lookups;
use crate::predicate::{Arithmetic, ClockPart, Number, Order, Predicate};
use crate::suggest::did_you_mean;
use crate::timestamp;
use crate::value::{Value, literal, name_of, named, start};

/// The functions, for suggestions.
const FUNCTIONS: [&str; 13] = [
    "set",
    "duration",
    "timestamp",
    "ip",
    "cidr",
    "has",
    "math.bitAnd",
    "math.bitOr",
    "math.bitXor",
    "getHours",
    "getMinutes",
    "getSeconds",
    "getDayOfWeek",
];

/// A condition that must hold, and where it is.
pub(crate) struct Conjunct {
    pub(crate) predicate: Predicate,
    pub(crate) at: Option<usize>,
}

pub(crate) struct Compiler<'e, 'l> {
    pub(crate) expression: &'e Expression,
    pub(crate) lookups: &'l mut Lookups,
    /// Protocols of the rule's `match`, which give the names of states their meaning.
    pub(crate) protocols: &'l [Protocol],
}

impl<'e> Compiler<'e, '_> {
    /// Compiles the whole expression to conditions that must all hold.
    pub(crate) fn conjuncts(&mut self, part: &'e IdedExpr) -> Result<Vec<Conjunct>, Fault> {
        match &part.expr {
            Expr::Call(call) if call.func_name == "_&&_" => {
                let mut all = Vec::new();
                for arg in &call.args {
                    all.extend(self.conjuncts(arg)?);
                }
                Ok(all)
            }
            _ => Ok(vec![Conjunct { predicate: self.boolean(part)?, at: self.start(part) }]),
        }
    }

    pub(crate) fn start(&self, part: &IdedExpr) -> Option<usize> {
        start(self.expression, part)
    }

    pub(crate) fn fault<T>(&self, part: &IdedExpr, what: impl Into<String>) -> Result<T, Fault> {
        Err(Fault { at: self.start(part), what: what.into() })
    }

    fn boolean(&mut self, part: &'e IdedExpr) -> Result<Predicate, Fault> {
        match self.value(part)? {
            Value::Bool(predicate) => Ok(predicate),
            Value::Bit(bit) => Ok(Predicate::Bits { field: Field::Status, mask: bit.into(), value: bit.into() }),
            other => {
                let kind = other.kind().name();
                self.fault(part, format!("this is {kind}, and must be true or false; compare it, for example with =="))
            }
        }
    }

    pub(crate) fn value(&mut self, part: &'e IdedExpr) -> Result<Value<'e>, Fault> {
        if let Some(name) = name_of(part) {
            return named(&name, self.start(part));
        }
        match &part.expr {
            Expr::Literal(value) => literal(value, self.start(part)),
            Expr::List(list) if list.optional_indices.is_empty() => Ok(Value::List(&list.elements)),
            Expr::Select(select) if select.test => self.has(part, &select.operand, &select.field),
            Expr::Call(call) => self.call(part, call),
            Expr::Comprehension(_) => {
                self.fault(part, "all, exists, map and filter are not supported; write in, && and ||")
            }
            Expr::Map(_) | Expr::Struct(_) | Expr::List(_) => self.fault(part, "maps are not supported; use a set"),
            Expr::Select(_) => self.fault(part, "only flow and sets have fields"),
            Expr::Ident(_) | Expr::Unspecified => self.fault(part, "this cannot be read"),
        }
    }

    fn has(&self, part: &IdedExpr, operand: &IdedExpr, field: &str) -> Result<Value<'e>, Fault> {
        let name = name_of(operand).map(|name| format!("{name}.{field}")).unwrap_or_default();
        let predicate = match named(&name, self.start(operand))? {
            Value::Number(_, Number::Field(field)) => Predicate::Has(field),
            Value::Bit(_) => Predicate::Has(Field::Status),
            Value::Helper => Predicate::HasHelper,
            Value::Labels => Predicate::HasLabels,
            Value::Address(_) => return self.fault(part, format!("every flow has {name}; remove has()")),
            _ => return self.fault(part, format!("has() takes a field of flow, and {name} is none")),
        };
        if let Predicate::Has(Field::Family | Field::Zone | Field::Protocol | Field::Now) = predicate {
            return self.fault(part, format!("every flow has {name}; remove has()"));
        }
        Ok(Value::Bool(predicate))
    }

    fn call(&mut self, part: &'e IdedExpr, call: &'e CallExpr) -> Result<Value<'e>, Fault> {
        let target = call.target.as_deref();
        match (call.func_name.as_str(), target, call.args.as_slice()) {
            ("_&&_", None, [left, right]) => {
                let parts = vec![self.boolean(left)?, self.boolean(right)?];
                Ok(Value::Bool(Predicate::all(parts)))
            }
            ("_||_", None, [left, right]) => {
                let parts = vec![self.boolean(left)?, self.boolean(right)?];
                Ok(Value::Bool(Predicate::any(parts)))
            }
            ("!_", None, [inner]) => Ok(Value::Bool(self.boolean(inner)?.not())),
            ("_?_:_", None, [condition, yes, no]) => {
                let parts = [self.boolean(condition)?, self.boolean(yes)?, self.boolean(no)?];
                Ok(Value::Bool(Predicate::If(Box::new(parts))))
            }
            ("_==_", None, [left, right]) => self.equal(left, right),
            ("_!=_", None, [left, right]) => match self.equal(left, right)? {
                Value::Bool(equal) => Ok(Value::Bool(equal.not())),
                other => Ok(other),
            },
            ("_<_", None, [left, right]) => self.compare(Order::Less, left, right),
            ("_<=_", None, [left, right]) => self.compare(Order::LessOrEqual, left, right),
            ("_>_", None, [left, right]) => self.compare(Order::Less, right, left),
            ("_>=_", None, [left, right]) => self.compare(Order::LessOrEqual, right, left),
            ("@in", None, [left, right]) => self.contained(left, right),
            ("_[_]", None, [set, address]) => self.index(part, set, address),
            ("_+_", None, [left, right]) => self.arithmetic(Arithmetic::Add, left, right),
            ("_-_", None, [left, right]) => self.arithmetic(Arithmetic::Subtract, left, right),
            ("_*_", None, [left, right]) => self.arithmetic(Arithmetic::Multiply, left, right),
            ("_/_", None, [left, right]) => self.arithmetic(Arithmetic::Divide, left, right),
            ("_%_", None, [left, right]) => self.arithmetic(Arithmetic::Remainder, left, right),
            ("-_", None, [inner]) => match self.value(inner)? {
                Value::Number(kind @ (Type::Int | Type::Duration), number) => {
                    let pair = Box::new((Number::Constant(0), number));
                    Ok(folded(kind, Number::Computed(Arithmetic::Subtract, pair)))
                }
                other => self.fault(part, format!("- needs a number, and this is {}", other.kind().name())),
            },
            (name, Some(target), args) if name_of(target).as_deref() == Some("math") => self.math(part, name, args),
            (name, Some(target), args) => self.method(part, name, target, args),
            (name, None, args) => self.function(part, name, args),
        }
    }

    fn math(&mut self, part: &IdedExpr, name: &str, args: &'e [IdedExpr]) -> Result<Value<'e>, Fault> {
        let arithmetic = match name {
            "bitAnd" => Arithmetic::BitAnd,
            "bitOr" => Arithmetic::BitOr,
            "bitXor" => Arithmetic::BitXor,
            _ => {
                let name = format!("math.{name}");
                return self.fault(part, format!("there is no function {name}{}", did_you_mean(&name, FUNCTIONS)));
            }
        };
        match args {
            [left, right] => self.arithmetic(arithmetic, left, right),
            _ => self.fault(part, format!("math.{name} takes two numbers")),
        }
    }

    fn method(
        &mut self,
        part: &IdedExpr,
        name: &str,
        target: &'e IdedExpr,
        args: &'e [IdedExpr],
    ) -> Result<Value<'e>, Fault> {
        let clock = match name {
            "getHours" => ClockPart::Hours,
            "getMinutes" => ClockPart::Minutes,
            "getSeconds" => ClockPart::Seconds,
            "getDayOfWeek" => ClockPart::DayOfWeek,
            _ => return self.fault(part, format!("there is no function {name}{}", did_you_mean(name, FUNCTIONS))),
        };
        let Value::Number(Type::Timestamp, time) = self.value(target)? else {
            return self.fault(part, format!("{name}() needs a time; write for example now.{name}()"));
        };
        let offset = match args {
            [] => 0,
            [zone] => match self.value(zone)? {
                Value::Text(text) => timestamp::offset(&text).map_err(|what| Fault { at: self.start(zone), what })?,
                _ => return self.fault(zone, "a time zone is a text such as \"+02:00\""),
            },
            _ => return self.fault(part, format!("{name}() takes at most a time zone such as \"+02:00\"")),
        };
        Ok(Value::Number(Type::Int, Number::Clock(clock, offset, Box::new(time))))
    }

    fn function(&mut self, part: &IdedExpr, name: &str, args: &'e [IdedExpr]) -> Result<Value<'e>, Fault> {
        if !FUNCTIONS.contains(&name) {
            return self.fault(part, format!("there is no function {name}{}", did_you_mean(name, FUNCTIONS)));
        }
        let text = match args {
            [arg] => self.value(arg)?,
            _ => return self.fault(part, format!("{name}() takes one text in quotes")),
        };
        let (Value::Text(text), [arg]) = (text, args) else {
            return self.fault(part, format!("{name}() takes one text in quotes"));
        };
        let at = |what| Fault { at: self.start(arg), what };
        match name {
            "set" => Ok(Value::Set(text)),
            "duration" => duration::nanoseconds(&text)
                .map(|number| Value::Number(Type::Duration, Number::Constant(number)))
                .map_err(at),
            "timestamp" => timestamp::read(&text)
                .map(|number| Value::Number(Type::Timestamp, Number::Constant(number)))
                .map_err(at),
            "ip" | "cidr" => text.parse::<Prefix>().map(|_| Value::Text(text)).map_err(|error| at(error.to_string())),
            _ => self.fault(part, format!("{name}() cannot be called like this")),
        }
    }

    fn index(&mut self, part: &IdedExpr, set: &'e IdedExpr, address: &'e IdedExpr) -> Result<Value<'e>, Fault> {
        if name_of(set).as_deref() == Some("sets") {
            return match self.value(address)? {
                Value::Text(name) => Ok(Value::Set(name)),
                _ => self.fault(address, "the name of a set is a text in quotes"),
            };
        }
        match (self.value(set)?, self.value(address)?) {
            (Value::Set(set), Value::Address(address)) => Ok(Value::LookedUp(self.lookups.add(set, address))),
            _ => self.fault(part, "only a set has values; write for example sets.countries[flow.original.src]"),
        }
    }

    fn arithmetic(
        &mut self,
        arithmetic: Arithmetic,
        left: &'e IdedExpr,
        right: &'e IdedExpr,
    ) -> Result<Value<'e>, Fault> {
        let (one, other) = (self.value(left)?, self.value(right)?);
        let (kinds, at) = ((one.kind(), other.kind()), self.start(left));
        let kind = match (arithmetic, kinds) {
            (_, (Type::Int, Type::Int)) => Type::Int,
            (Arithmetic::Add | Arithmetic::Subtract, (Type::Duration, Type::Duration)) => Type::Duration,
            (Arithmetic::Subtract, (Type::Timestamp, Type::Timestamp)) => Type::Duration,
            (Arithmetic::Add | Arithmetic::Subtract, (Type::Timestamp, Type::Duration)) => Type::Timestamp,
            (Arithmetic::Add, (Type::Duration, Type::Timestamp)) => Type::Timestamp,
            (_, (one, other)) => {
                let what = format!("{} and {} cannot be combined like this", one.name(), other.name());
                return Err(Fault { at, what });
            }
        };
        let (Value::Number(_, one), Value::Number(_, other)) = (one, other) else {
            return Err(Fault { at, what: "only numbers can be combined like this".to_owned() });
        };
        if let (Arithmetic::Divide | Arithmetic::Remainder, Some(0)) = (arithmetic, other.constant()) {
            return Err(Fault { at: self.start(right), what: "a division by 0 has no result".to_owned() });
        }
        Ok(folded(kind, Number::Computed(arithmetic, Box::new((one, other)))))
    }
}

fn folded<'e>(kind: Type, number: Number) -> Value<'e> {
    Value::Number(kind, number.constant().map_or(number, Number::Constant))
}

/// Returns every name that an expression can use, for the documentation and its test.
#[must_use]
pub fn names() -> Vec<&'static str> {
    NAMES.iter().filter(|(_, named)| !matches!(named, Named::Bit(_))).map(|(name, _)| *name).collect()
}
