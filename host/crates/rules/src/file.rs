//! Rules in a TOML file, and where in the file a mistake is.

use std::fmt;
use std::ops::Range;

use serde_json::{Map, Number, Value};
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use crate::problem::{Problem, Step};
use crate::rules::{Rules, SetCheck};

/// A mistake with its place in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Rule, key, what is wrong and how to fix it.
    pub what: String,
}

impl fmt::Display for Located {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.what)
    }
}

/// Reads a file of rules: `[[rule]]` tables and nothing else.
///
/// # Errors
/// Every mistake, with its line and column.
pub fn read(text: &str, read_set: SetCheck<'_>) -> Result<Rules, Vec<Located>> {
    let root = match DeTable::parse(text) {
        Ok(root) => root.into_inner(),
        Err(error) => {
            let at = error.span().map_or(0, |span| span.start);
            return Err(vec![located(text, at, format!("not TOML: {}", error.message().replace('`', "\"")))]);
        }
    };
    let mut unfit = Vec::new();
    let value = table(&root, &mut unfit);
    if !unfit.is_empty() {
        return Err(unfit.into_iter().map(|(at, what)| located(text, at, what)).collect());
    }
    Rules::read(&value, read_set).map_err(|problems| {
        let root = Spanned::new(0..text.len(), DeValue::Table(root));
        problems.0.into_iter().map(|problem| locate(text, &root, &problem)).collect()
    })
}

/// Finds the place of a mistake in the text of a file. `root` is the value that the rules were read from.
#[must_use]
pub fn locate(text: &str, root: &Spanned<DeValue<'_>>, problem: &Problem) -> Located {
    let span = span_of(root, &problem.path, 0..0);
    let at = problem.place.and_then(|place| inside(text, &span, place));
    located(text, at.unwrap_or(span.start), problem.to_string())
}

/// Returns the place of the value, or of the last value on the way that is there.
fn span_of(value: &Spanned<DeValue<'_>>, path: &[Step], otherwise: Range<usize>) -> Range<usize> {
    let Some((step, rest)) = path.split_first() else { return otherwise };
    match (step, value.get_ref()) {
        (Step::Key(key), DeValue::Table(table)) => match table.get_key_value(key.as_str()) {
            // A header such as [rule.match] is the place of its key. A value is its own place.
            Some((name, inner)) => {
                let own =
                    if inner.get_ref().is_table() || inner.get_ref().is_array() { name.span() } else { inner.span() };
                span_of(inner, rest, own)
            }
            None => otherwise,
        },
        (Step::Index(index), DeValue::Array(items)) => match items.get(*index) {
            Some(inner) => span_of(inner, rest, inner.span()),
            None => otherwise,
        },
        _ => otherwise,
    }
}

/// Returns the byte of a place within a text value. `None` if the text has escapes, so that the places differ.
fn inside(text: &str, span: &Range<usize>, (line, column): (usize, usize)) -> Option<usize> {
    let written = text.get(span.clone())?;
    let quotes = if written.starts_with("'''") || written.starts_with("\"\"\"") { 3 } else { 1 };
    let body = written.get(quotes..)?;
    if written.starts_with('"') && body.contains('\\') {
        return None;
    }
    // TOML drops a line break right after three quotes.
    let dropped =
        if quotes == 3 && body.starts_with("\r\n") { 2 } else { usize::from(quotes == 3 && body.starts_with('\n')) };
    let lines = body.get(dropped..)?.split_inclusive('\n');
    let before: usize = lines.take(line.checked_sub(1)?).map(str::len).sum();
    Some(
        span.start
            .saturating_add(quotes)
            .saturating_add(dropped)
            .saturating_add(before)
            .saturating_add(column.checked_sub(1)?),
    )
}

fn located(text: &str, at: usize, what: String) -> Located {
    let before = text.get(..at.min(text.len())).unwrap_or_default();
    let line = before.bytes().filter(|byte| *byte == b'\n').count().saturating_add(1);
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count().saturating_add(1);
    Located { line, column, what }
}

fn table(table: &DeTable<'_>, unfit: &mut Vec<(usize, String)>) -> Value {
    let entries = table.iter().map(|(key, inner)| (key.get_ref().to_string(), value(inner, unfit)));
    Value::Object(entries.collect::<Map<_, _>>())
}

fn array(items: &DeArray<'_>, unfit: &mut Vec<(usize, String)>) -> Value {
    Value::Array(items.iter().map(|item| value(item, unfit)).collect())
}

fn value(spanned: &Spanned<DeValue<'_>>, unfit: &mut Vec<(usize, String)>) -> Value {
    match spanned.get_ref() {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Value::from(number),
            Err(_) => {
                unfit.push((spanned.span().start, format!("{} is too great a number", number.as_str())));
                Value::Null
            }
        },
        DeValue::Float(number) => {
            Number::from_f64(number.as_str().parse().unwrap_or(f64::NAN)).map_or(Value::Null, Value::Number)
        }
        DeValue::Boolean(flag) => Value::Bool(*flag),
        DeValue::Datetime(date) => {
            unfit.push((spanned.span().start, format!("a date belongs in quotes: timestamp(\"{date}\") in when")));
            Value::Null
        }
        DeValue::Array(items) => array(items, unfit),
        DeValue::Table(inner) => table(inner, unfit),
    }
}
