//! Bytes that are not a plugin, and errors that say what they are instead.

use std::error::Error;

use ctwarden_guest::{COMPONENT_BYTES_MAX, DescribeError, Limits, LoadError};

use crate::setup::{bytes, load, runtime};

fn refused(bytes: &[u8]) -> LoadError {
    runtime().load(bytes).err().unwrap()
}

/// The error of a component that is given in text form.
fn refused_text(text: &str) -> LoadError {
    refused(&wat::parse_str(text).unwrap())
}

#[test]
fn what_is_no_component_is_named() {
    for bytes in [&b""[..], b"\0as", b"(component)", b"\x7fELF"] {
        assert!(matches!(refused(bytes), LoadError::NotWasm), "{bytes:?}");
    }
    let module = refused(&wat::parse_str("(module (func (export \"judge\")))").unwrap());
    assert!(matches!(module, LoadError::CoreModule));
    assert!(module.to_string().contains("wasm32-wasip2") && module.to_string().contains("wasm-tools component new"));
    assert!(matches!(refused(&vec![0; COMPONENT_BYTES_MAX + 1]), LoadError::TooLarge { .. }));
}

#[test]
fn a_broken_component_is_an_error_wherever_it_breaks() {
    let whole = bytes("guest-trap");
    for length in (4..whole.len()).step_by(whole.len() / 31) {
        let error = refused(&whole[..length]);
        assert!(!matches!(error, LoadError::NotWasm), "{length}: {error}");
    }
    let mut flipped = whole.clone();
    for place in (8..whole.len()).step_by(whole.len() / 31) {
        flipped[place] ^= 0x55;
        // The component may still be valid. Loading must not panic.
        let _ = runtime().load(&flipped);
        flipped[place] ^= 0x55;
    }
}

#[test]
fn another_world_is_named_by_what_is_missing() {
    let error = refused_text(r#"(component (instance $i) (export "acme:greeter/greet@1.0.0" (instance $i)))"#);
    assert_eq!(
        error.to_string(),
        "it is not a plugin: it lacks the export ctwarden:conntrack/policy@0.1.0 and has acme:greeter/greet@1.0.0; build it against the world ctwarden:conntrack/plugin"
    );
    assert!(refused_text("(component)").to_string().contains("and has nothing;"));
}

#[test]
fn another_line_is_named_with_both_versions() {
    let error = refused_text(r#"(component (instance $i) (export "ctwarden:conntrack/policy@0.9.0" (instance $i)))"#);
    assert_eq!(
        error.to_string(),
        "it was built for ctwarden:conntrack@0.9.0, this host knows 0.1.0; build it against one of these, or use a \
         ctwarden that knows it"
    );
}

#[test]
fn a_part_of_the_interface_is_not_the_whole() {
    let error = refused_text(r#"(component (instance $i) (export "ctwarden:conntrack/policy@0.1.0" (instance $i)))"#);
    let LoadError::Mismatch { version: "0.1.0", source } = &error else { panic!("{error:?}") };
    assert!(source.to_string().contains("describe"), "{source}");
    assert!(!error.to_string().contains(&source.to_string()));
}

#[test]
fn unknown_imports_are_all_named() {
    let error = refused_text(
        r#"(component
            (import "acme:oracle/ask@1.0.0" (instance))
            (import "wasi:http/types@0.2.0" (instance))
            (import "wasi:io/poll@0.3.0" (instance))
            (import "wasi:io/error@0.2.0" (instance))
            (import "ctwarden:conntrack/details@0.1.0" (instance))
            (import "ctwarden:conntrack/details@0.2.0" (instance))
            (instance $i) (export "ctwarden:conntrack/policy@0.1.0" (instance $i)))"#,
    );
    let LoadError::UnknownImports { names } = &error else { panic!("{error:?}") };
    assert_eq!(
        *names,
        ["acme:oracle/ask@1.0.0", "wasi:http/types@0.2.0", "wasi:io/poll@0.3.0", "ctwarden:conntrack/details@0.2.0"]
    );
    assert!(error.to_string().starts_with("it imports acme:oracle/ask@1.0.0, wasi:http/types@0.2.0,"), "{error}");
}

#[test]
fn each_unknown_import_is_told_with_the_way_out() {
    for (import, way_out) in [
        ("wasi:http/outgoing-handler@0.2.3", "jco componentize --disable http"),
        ("wasi:http/types@0.3.0", "`ctwarden send`"),
        ("wasi:cli/exit@0.3.0", "--target wasm32-wasip2"),
        ("wasi:keyvalue/store@0.2.0-draft", "without the code that uses them"),
        ("ctwarden:conntrack/oracle@0.1.0", "a version of the interface"),
        ("acme:oracle/ask@1.0.0", "wac plug"),
    ] {
        let error = refused_text(&format!(
            r#"(component (import "{import}" (instance))
                (instance $i) (export "ctwarden:conntrack/policy@0.1.0" (instance $i)))"#
        ));
        let said = error.to_string();
        assert!(said.contains(import) && said.contains(way_out), "{said}");
    }
}

#[test]
fn an_import_of_another_shape_is_told() {
    let error = refused_text(
        r#"(component
            (import "wasi:cli/exit@0.2.0" (instance (export "leave" (func))))
            (instance $i) (export "ctwarden:conntrack/policy@0.1.0" (instance $i)))"#,
    );
    let source = error.source().unwrap().to_string();
    assert!(matches!(error, LoadError::Mismatch { .. }) && source.contains("wasi:cli/exit"), "{source}");
}

#[test]
fn everything_that_is_said_to_be_linked_is() {
    let interfaces = "environment exit stderr stdin stdout terminal-input terminal-output terminal-stderr terminal-stdin terminal-stdout";
    for interface in interfaces.split(' ') {
        let text = format!(
            r#"(component (import "wasi:cli/{interface}@0.2.0" (instance))
                (instance $i) (export "ctwarden:conntrack/policy@0.1.0" (instance $i)))"#
        );
        // The missing export is reported, not an import.
        let error = refused_text(&text);
        let source = error.source().unwrap().to_string();
        assert!(source.contains("describe"), "{interface}: {source}");
    }
}

#[test]
pub(crate) fn a_descriptor_is_checked() {
    let error = load("guest-bad-descriptor").describe(Limits::default()).unwrap_err();
    let DescribeError::Name(source) = &error else { panic!("{error:?}") };
    assert!(source.to_string().starts_with(r#""good\nsecond line" is not a name"#), "{source}");
    assert_eq!(error.to_string(), "its descriptor has no valid name");
}
