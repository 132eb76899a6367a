//! What a part of an expression means, before it becomes a condition.

use cel::IdedExpr;
use cel::common::ast::{Expr, LiteralValue};

use crate::expression::{Expression, Fault};
use crate::field::{Address, NAMES, Named, Type};
use crate::predicate::{Number, Predicate};
use crate::suggest::did_you_mean;

/// A compiled part of an expression.
#[derive(Clone, Debug)]
pub(crate) enum Value<'e> {
    Bool(Predicate),
    /// A number, a duration or a time.
    Number(Type, Number),
    Address(Address),
    Text(String),
    Helper,
    Labels,
    /// A bit of the status.
    Bit(u32),
    Set(String),
    /// What a set says about an address, by the index of the lookup.
    LookedUp(usize),
    List(&'e [IdedExpr]),
}

impl Value<'_> {
    pub(crate) const fn kind(&self) -> Type {
        match self {
            Self::Bool(_) | Self::Bit(_) => Type::Bool,
            Self::Number(kind, _) => *kind,
            Self::Address(_) => Type::Address,
            Self::Text(_) | Self::Helper | Self::LookedUp(_) => Type::Text,
            Self::Labels => Type::Labels,
            Self::Set(_) => Type::Set,
            Self::List(_) => Type::List,
        }
    }
}

/// Returns the name that a chain of selections spells: `flow.original.src`.
pub(crate) fn name_of(part: &IdedExpr) -> Option<String> {
    match &part.expr {
        Expr::Ident(name) => Some(name.clone()),
        Expr::Select(select) if !select.test => Some(format!("{}.{}", name_of(&select.operand)?, select.field)),
        Expr::Select(_)
        | Expr::Unspecified
        | Expr::Call(_)
        | Expr::Comprehension(_)
        | Expr::List(_)
        | Expr::Literal(_)
        | Expr::Map(_)
        | Expr::Struct(_) => None,
    }
}

/// Returns the byte at which a part begins, its first operand included.
pub(crate) fn start(expression: &Expression, part: &IdedExpr) -> Option<usize> {
    let inner = match &part.expr {
        Expr::Select(select) => start(expression, &select.operand),
        Expr::Call(call) => {
            let operator = call.func_name.starts_with('_');
            let first = call.target.as_deref().or_else(|| if operator { call.args.first() } else { None });
            let first = first.or_else(|| if call.func_name == "@in" { call.args.first() } else { None });
            first.and_then(|first| start(expression, first))
        }
        Expr::Unspecified
        | Expr::Ident(_)
        | Expr::Comprehension(_)
        | Expr::List(_)
        | Expr::Literal(_)
        | Expr::Map(_)
        | Expr::Struct(_) => None,
    };
    match (inner, expression.at(part)) {
        (Some(inner), Some(own)) => Some(inner.min(own)),
        (inner, own) => inner.or(own),
    }
}

/// Returns what a name means.
pub(crate) fn named(name: &str, at: Option<usize>) -> Result<Value<'static>, Fault> {
    if let Some(set) = name.strip_prefix("sets.") {
        if set.contains('.') {
            return Err(Fault { at, what: format!("a set has no parts; write sets[\"{set}\"] if that is its name") });
        }
        return Ok(Value::Set(set.to_owned()));
    }
    let Some((_, named)) = NAMES.iter().find(|(known, _)| *known == name) else {
        return Err(Fault { at, what: unknown(name) });
    };
    Ok(match named {
        Named::Number(field, kind) => Value::Number(*kind, Number::Field(*field)),
        Named::Address(address) => Value::Address(*address),
        Named::Helper => Value::Helper,
        Named::Labels => Value::Labels,
        Named::Bit(bit) => Value::Bit(*bit),
    })
}

fn unknown(name: &str) -> String {
    if name == "sets" {
        return "sets is not a value; write for example flow.original.src in sets.banned".to_owned();
    }
    let below: Vec<&str> = NAMES
        .iter()
        .map(|(known, _)| *known)
        .filter(|known| known.strip_prefix(name).is_some_and(|rest| rest.starts_with('.')))
        .collect();
    if let Some(first) = below.first() {
        return format!("{name} is not a value; write one of its fields, such as {first}");
    }
    let known = NAMES.iter().map(|(known, _)| *known);
    let suggestion = did_you_mean(name, known);
    if suggestion.is_empty() {
        return format!("there is no \"{name}\"; the names begin with flow. or sets., or are now");
    }
    format!("there is no field {name}{suggestion}")
}

/// Returns the value of a literal.
pub(crate) fn literal(value: &LiteralValue, at: Option<usize>) -> Result<Value<'static>, Fault> {
    let number = |number: i64| Value::Number(Type::Int, Number::Constant(number));
    match value {
        LiteralValue::Boolean(value) => Ok(Value::Bool(Predicate::Constant(*value.inner()))),
        LiteralValue::Int(value) => Ok(number(*value.inner())),
        LiteralValue::UInt(value) => match i64::try_from(*value.inner()) {
            Ok(value) => Ok(number(value)),
            Err(_) => Err(Fault { at, what: "the number is greater than 9223372036854775807".to_owned() }),
        },
        LiteralValue::String(text) => Ok(Value::Text(text.inner().to_owned())),
        LiteralValue::Double(_) => {
            Err(Fault { at, what: "fractions are not supported here; write a whole number".to_owned() })
        }
        LiteralValue::Bytes(_) => Err(Fault { at, what: "bytes are not supported here; write a text".to_owned() }),
        LiteralValue::Null => {
            Err(Fault { at, what: "null is not supported here; write has(flow.mark) to test for a field".to_owned() })
        }
    }
}
