//! The parse of an expression: CEL's syntax, and where each part is.

use cel::IdedExpr;
use cel::common::ast::SourceInfo;
use cel::parser::Parser;

/// Longest expression, in bytes. The parser uses the stack for each nested part, so a longer one could overflow it.
const LONGEST: usize = 2048;
/// How deep the parts of an expression may be nested.
const DEEPEST: u16 = 32;
/// Most signs that nest without brackets: each selection, call and operator puts one part into another.
const NESTED: usize = 256;

/// What is wrong with an expression, and at which byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) at: Option<usize>,
    pub(crate) what: String,
}

impl Fault {
    /// Returns the line and the column, both from 1.
    pub(crate) fn place(&self, text: &str) -> Option<(usize, usize)> {
        let before = text.get(..self.at?.min(text.len()))?;
        let line = before.bytes().filter(|byte| *byte == b'\n').count();
        let last = before.rsplit('\n').next().unwrap_or_default();
        Some((line.saturating_add(1), last.chars().count().saturating_add(1)))
    }
}

/// A parsed expression.
pub(crate) struct Expression {
    pub(crate) root: IdedExpr,
    info: SourceInfo,
}

impl Expression {
    /// Parses the text.
    pub(crate) fn parse(text: &str) -> Result<Self, Fault> {
        let fault = |at, what: String| Err(Fault { at, what });
        if text.trim().is_empty() {
            return fault(None, "the expression is empty; remove the key if every flow is meant".to_owned());
        }
        if text.len() > LONGEST {
            return fault(
                None,
                format!("the expression has {} bytes, more than {LONGEST}; split the rule or use a set", text.len()),
            );
        }
        if let Some(at) = text.find(|c: char| !c.is_ascii()) {
            return fault(Some(at), "only ASCII characters are allowed here".to_owned());
        }
        let signs = text.bytes().filter(|byte| b".([{?+-*/%!<>=&|".contains(byte)).count();
        if signs > NESTED {
            return fault(None, format!("the expression has {signs} operators, more than {NESTED}; split the rule"));
        }
        if let Some(foreign) = foreign_operator(text) {
            return Err(foreign);
        }
        match Parser::default().max_recursion_depth(DEEPEST).parse_with_source_info(text) {
            Ok((root, info)) => Ok(Self { root, info }),
            Err(errors) => {
                let first = errors.errors.first();
                let at = first.and_then(|error| offset_of(text, error.pos));
                let message = first.map_or("the expression cannot be read", |error| error.msg.as_str());
                fault(at, in_our_words(message))
            }
        }
    }

    /// Returns the byte at which a part begins.
    pub(crate) fn at(&self, part: &IdedExpr) -> Option<usize> {
        // An operator has the place of its sign. Its first operand is where people look.
        let (start, _) = self.info.offset_for(part.id)?;
        usize::try_from(start).ok()
    }
}

/// CEL has no bitwise operators, and `=` is not a comparison. Programmers write them all the same.
fn foreign_operator(text: &str) -> Option<Fault> {
    let mut quote = None;
    let bytes = text.as_bytes();
    let byte = |at: usize| bytes.get(at).copied();
    let mut at = 0;
    while let Some(here) = byte(at) {
        let next = byte(at.saturating_add(1));
        let mut length = 1;
        match (quote, here) {
            (Some(_), b'\\') => length = 2,
            (Some(open), close) if open == close => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'') => quote = Some(here),
            (None, b'&' | b'|') if next == Some(here) => length = 2,
            (None, b'&') => {
                let what = "CEL has no operator &; write for example math.bitAnd(flow.mark, 0xff) == 0x10, or && if both \
                            sides must hold";
                return Some(Fault { at: Some(at), what: what.to_owned() });
            }
            (None, b'|') => {
                let what = "CEL has no operator |; write || if one side must hold, or math.bitOr(a, b)";
                return Some(Fault { at: Some(at), what: what.to_owned() });
            }
            (None, b'=' | b'!' | b'<' | b'>') if next == Some(b'=') => length = 2,
            (None, b'=') => {
                return Some(Fault { at: Some(at), what: "= is not a comparison; write ==".to_owned() });
            }
            (None, _) => {}
        }
        at = at.saturating_add(length);
    }
    None
}

/// Converts line and column of the parser, both from 1, to a byte.
fn offset_of(text: &str, (line, column): (isize, isize)) -> Option<usize> {
    let line = usize::try_from(line).ok()?.checked_sub(1)?;
    let before: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    Some(before.saturating_add(usize::try_from(column).ok()?.saturating_sub(1)).min(text.len()))
}

/// Translates the parser's message.
fn in_our_words(message: &str) -> String {
    let quoted = |text: &str| text.split('\'').nth(1).unwrap_or_default().to_owned();
    if message.contains("Recursion limit") {
        return format!("the expression is nested deeper than {DEEPEST}; split the rule");
    }
    match message.strip_prefix("Syntax error: ").unwrap_or(message) {
        text if text.starts_with("extraneous input '<EOF>'") || text.starts_with("mismatched input '<EOF>'") => {
            "the expression ends too early; complete it".to_owned()
        }
        text if text.starts_with("token recognition") => {
            let rest = text.split_once('\'').map_or("", |(_, rest)| rest.trim_end_matches('\''));
            format!("\"{rest}\" cannot be read; remove it, or close the quotes")
        }
        text if text.starts_with("extraneous input") || text.starts_with("mismatched input") => {
            format!("\"{}\" does not belong here; remove it, or complete what is before it", quoted(text))
        }
        text if text.starts_with("no viable alternative") => {
            "the expression cannot be read from here; check brackets, quotes and operators".to_owned()
        }
        text if text.starts_with("missing") => format!("{} before this", text.replace('\'', "\"")),
        text => text.chars().take(200).collect(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refused(text: &str) -> (Option<usize>, String) {
        let fault = Expression::parse(text).err().unwrap();
        (fault.place(text).map(|(_, column)| column), fault.what)
    }

    #[test]
    fn syntax_errors_have_a_column_and_a_fix() {
        for (text, column, what) in [
            ("flow.mark & 0xff == 1", Some(11), "CEL has no operator &; write for example math.bitAnd"),
            ("flow.mark == 1 | flow.mark == 2", Some(16), "CEL has no operator |; write ||"),
            ("flow.mark = 1", Some(11), "= is not a comparison; write =="),
            ("flow.zone == ", Some(14), "the expression ends too early; complete it"),
            ("flow.zone == 1 && && 2", Some(19), "\"&&\" does not belong here"),
            ("flow.zone == $", Some(14), "\"$\" cannot be read"),
            ("flow.helper == \"ftp", Some(16), "\"\"ftp\" cannot be read; remove it, or close the quotes"),
            ("(flow.zone == 1", Some(16), ""),
            ("", None, "the expression is empty"),
            ("flow.zone == 1 // é", Some(19), "only ASCII"),
        ] {
            let (at, said) = refused(text);
            assert_eq!(at, column, "{text}: {said}");
            assert!(said.starts_with(what), "{text}: {said}");
        }
        let fault = Expression::parse("flow.zone == 1 &&\n  flow.mark = 2").err().unwrap();
        assert_eq!(fault.place("flow.zone == 1 &&\n  flow.mark = 2"), Some((2, 13)));
    }

    #[test]
    fn deep_and_long_expressions_are_refused_on_a_small_stack() {
        let texts = [
            "(".repeat(2000),
            "!".repeat(200) + "a",
            format!("a{}", ".a".repeat(1000)),
            format!("a{}", ".a".repeat(255)),
            format!("{}1{}", "(".repeat(100), ")".repeat(100)),
            format!("{}1{}", "[".repeat(100), "]".repeat(100)),
            vec!["a"; 120].join(" ? a : "),
            vec!["a"; 120].join(" && "),
            vec!["1"; 200].join("+"),
            "a".repeat(3000),
        ];
        // The stack of a component is 1 MiB. A build without optimisation needs more of it than a component does.
        let small = std::thread::Builder::new().stack_size(1 << 20);
        let parsed = small.spawn(move || texts.map(|text| Expression::parse(&text).is_ok())).unwrap();
        assert!(parsed.join().unwrap().contains(&false));
    }

    proptest! {
        #[test]
        fn no_text_panics(parts in prop::collection::vec(prop::sample::select(vec![
            "flow", ".", "src", "(", ")", "[", "]", "{", "}", "\"", "'", "in", "==", "&&", "||", "!", "-", "1", "0x", "1u",
            "?", ":", ",", " ", "\n", "has", "all", "exists", "map", "a", "\\", "r", "b", "//", "1.5", "true", "`",
        ]), 0..24)) {
            let _ = Expression::parse(&parts.concat());
        }
    }
}
