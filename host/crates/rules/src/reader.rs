//! Reads values of a table step by step, and notes every mistake with its place.

use serde_json::{Map, Value};

use crate::expression::Fault;
use crate::problem::{Problem, Step};
use crate::suggest::choices;

/// Reads values and collects the mistakes.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    pub(crate) problems: Vec<Problem>,
    pub(crate) rule: Option<String>,
    pub(crate) path: Vec<Step>,
}

impl Reader {
    /// Notes a mistake at the current place.
    pub(crate) fn note(&mut self, what: impl Into<String>) {
        self.note_in_text(None, what);
    }

    fn note_in_text(&mut self, place: Option<(usize, usize)>, what: impl Into<String>) {
        let (rule, path) = (self.rule.clone(), self.path.clone());
        self.problems.push(Problem { rule, path, place, what: what.into() });
    }

    /// Notes a mistake within the text at the current place.
    pub(crate) fn fault(&mut self, text: &str, fault: Fault) {
        self.note_in_text(fault.place(text), fault.what);
    }

    /// Returns the value, or notes why there is none.
    pub(crate) fn keep<T, E: ToString>(&mut self, result: Result<T, E>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.note(error.to_string());
                None
            }
        }
    }

    /// Reads with one more step.
    pub(crate) fn at<T>(&mut self, step: Step, read: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(step);
        let value = read(self);
        self.path.pop();
        value
    }

    /// Reads the value of a key, if the key is there.
    pub(crate) fn key<T>(
        &mut self,
        table: &Map<String, Value>,
        key: &str,
        read: impl FnOnce(&mut Self, &Value) -> Option<T>,
    ) -> Option<T> {
        let value = table.get(key)?;
        self.at(Step::Key(key.to_owned()), |reader| read(reader, value))
    }

    /// Notes every key that is not among the known ones.
    pub(crate) fn only(&mut self, table: &Map<String, Value>, known: &[&str]) {
        for key in table.keys().filter(|key| !known.contains(&key.as_str())) {
            let choices = choices(key, known, "the keys are");
            self.at(Step::Key(key.clone()), |reader| reader.note(format!("there is no such key{choices}")));
        }
    }

    pub(crate) fn table<'v>(&mut self, value: &'v Value) -> Option<&'v Map<String, Value>> {
        let table = value.as_object();
        if table.is_none() {
            self.note(format!("{} is not a table", shown(value)));
        }
        table
    }

    pub(crate) fn text<'v>(&mut self, value: &'v Value) -> Option<&'v str> {
        let text = value.as_str();
        if text.is_none() {
            self.note(format!("{} is not a text in quotes", shown(value)));
        }
        text
    }

    pub(crate) fn flag(&mut self, value: &Value) -> Option<bool> {
        let flag = value.as_bool();
        if flag.is_none() {
            self.note(format!("{} is not true or false", shown(value)));
        }
        flag
    }

    pub(crate) fn number(&mut self, value: &Value, least: u64, most: u64) -> Option<u64> {
        let number = value.as_u64().filter(|number| (least..=most).contains(number));
        if number.is_none() {
            self.note(format!("{} is not a whole number from {least} to {most}", shown(value)));
        }
        number
    }

    /// Reads every element of a list that is not empty.
    pub(crate) fn list<T>(
        &mut self,
        value: &Value,
        mut read: impl FnMut(&mut Self, &Value) -> Option<T>,
    ) -> Option<Vec<T>> {
        let Some(items) = value.as_array() else {
            self.note(format!("{} is not a list in brackets", shown(value)));
            return None;
        };
        if items.is_empty() {
            self.note("the list is empty, so no flow could match; write a value, or remove the key");
            return None;
        }
        let read =
            items.iter().enumerate().map(|(index, item)| self.at(Step::Index(index), |reader| read(reader, item)));
        // Every element is read, so that every mistake is noted.
        let all: Vec<Option<T>> = read.collect();
        all.into_iter().collect()
    }

    /// Reads a duration in whole seconds.
    pub(crate) fn seconds(&mut self, value: &Value) -> Option<u32> {
        match value {
            Value::String(text) => {
                let seconds = crate::duration::seconds(text);
                self.keep(seconds)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                self.note(format!(
                    "{} is not a duration in quotes; write for example \"10s\" or \"1h30m\"",
                    shown(value)
                ));
                None
            }
        }
    }
}

/// Returns a value as its writer knows it, in a few characters.
pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::Object(_) => "a table".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::String(text) => format!("\"{}\"", text.chars().take(40).collect::<String>()),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// Returns a text or a number as text, for values that may be written as either.
pub(crate) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}
