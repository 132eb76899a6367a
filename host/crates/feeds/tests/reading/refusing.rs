//! Lists without entries, lists with only bad lines, and what is skipped.

use ctwarden_feeds::{Format, ListError, parse};

use super::{any, as_format, read, refused, told};

#[test]
fn a_list_without_an_entry_is_refused_unless_the_set_allows_it() {
    for text in ["", "\n", "# nothing\n\n", "\u{feff}; x"] {
        for reading in [any(), any().skip_bad_lines(true)] {
            let said = refused(text, &reading);
            let line = text.lines().count().max(1);
            let told = format!(
                "l:{line}:1: the list has no entry; write at least one, or allow-empty = true if the list may have"
            );
            assert!(said.starts_with(&told), "{said}");
        }
        let list = read(text, &any().allow_empty(true));
        assert_eq!((list.networks().len(), list.counts().entries), (0, 0));
    }
    for format in Format::ALL.into_iter().filter(|format| *format != Format::Mmdb) {
        assert!(refused("", &as_format(format)).contains("the list has no entry"), "{format:?}");
        assert_eq!(read("", &as_format(format).allow_empty(true)).networks().len(), 0);
    }
}

#[test]
fn a_list_with_only_bad_lines_is_refused_whatever_is_skipped() {
    let reading = any().skip_bad_lines(true).allow_empty(true);
    let said = refused("nonsense\n192.0.2.0/33\n", &reading);
    assert!(said.starts_with("l:1:1: \"nonsense\" is not an address or network; write "), "{said}");
    assert!(
        said.ends_with("\nl: no line is left when the bad ones are skipped; correct the list or its format"),
        "{said}"
    );
}

#[test]
fn skipped_lines_are_counted_and_the_first_are_told() {
    let text = format!("192.0.2.1\n{}192.0.2.2\n", "bad\n".repeat(50));
    let list = read(&text, &any().skip_bad_lines(true));
    assert_eq!(told(&list), ["192.0.2.1", "192.0.2.2"]);
    assert_eq!((list.counts().lines, list.counts().entries, list.counts().bad), (52, 2, 50));
    assert_eq!(list.skipped().len(), 20);
    assert_eq!((list.skipped()[0].line(), list.skipped()[0].column()), (2, 1));
    assert!(list.skipped()[0].what().starts_with("\"bad\" is not an address"));
    // A line in another encoding costs that line.
    let list = parse(b"192.0.2.1\ncaf\xe9\n192.0.2.2\n", &any().skip_bad_lines(true)).unwrap();
    assert_eq!((list.networks().len(), list.counts().bad), (2, 1));
    assert!(list.skipped()[0].to_string().starts_with("2:4: this is not UTF-8"));
}

#[test]
fn a_refusal_has_the_counts() {
    let counts = |text: &str| parse(text.as_bytes(), &any()).unwrap_err().counts();
    let found = counts("192.0.2.1\nbad\n192.0.2.2\n").unwrap();
    assert_eq!((found.lines, found.entries, found.bad), (3, 2, 1));
    assert_eq!(counts("a,b\n"), None, "no line could be read");
    assert!(matches!(parse(b"", &any()), Err(ListError::Empty { .. })));
}
