//! What a component costs the host in addition to its linear memories and tables: its declarations, and its core
//! instances with their globals and functions.
//!
//! wasmtime's limits do not cover these costs. A module of five megabytes with a million globals takes 16 MB for each
//! of its core instances, and a component may create many instances of one module. The weight is computed from the
//! binary form alone, before anything is created from it. It is an upper bound of the actual use.
//!
//! This module reads only the heads of sections, of bytes that wasmtime has validated. If an instance is created from
//! something that is not defined in the same component, it counts as the heaviest module.

#![expect(clippy::wildcard_enum_match_arm, reason = "the enums of the binary form are another crate's, and open")]

use wasmparser::{
    ComponentAlias, ComponentExternalKind, ComponentInstance, ComponentOuterAliasKind, ComponentTypeRef, Encoding,
    Instance, Parser, Payload,
};

/// Host bytes for one byte of declarations: a global of five bytes takes some hundred, and so does a type of four.
const PER_DECLARED_BYTE: u64 = 32;
/// Host bytes for any core instance, and for any instance of a component.
const PER_INSTANCE: u64 = 8 << 10;
/// Size of wasmtime's `VMGlobalDefinition`.
const PER_GLOBAL: u64 = 16;
/// Size of `VMFuncRef`, as if each function escaped.
const PER_FUNCTION: u64 = 32;
/// Size of `VMTableDefinition`, `VMMemoryDefinition` and the host's own data for them.
const PER_MEMORY_OR_TABLE: u64 = 256;
/// Size of wasmtime's `VMTagDefinition`.
const PER_TAG: u64 = 16;
/// A pointer and a length for each segment.
const PER_DATA: u64 = 16;
/// An import takes at least two bytes and up to four pointers. An element takes one byte and a value.
const PER_BYTE_OF_IMPORTS_AND_ELEMENTS: u64 = 32;

/// The weight of a component.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Weight {
    pub(crate) instances: u64,
    /// Bytes of host memory.
    pub(crate) bytes: u64,
}

impl Weight {
    /// More than any limit.
    const UNKNOWN: Self = Self { instances: u64::MAX, bytes: u64::MAX };

    const fn plus(self, other: Self) -> Self {
        Self {
            instances: self.instances.saturating_add(other.instances),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }

    const fn bytes(bytes: u64) -> Self {
        Self { instances: 0, bytes }
    }

    /// Returns the weight of a component with these bytes and one instance.
    pub(crate) fn of(component: &[u8]) -> Self {
        let heaviest = heaviest_module(component);
        weigh(component, heaviest).unwrap_or(Self::UNKNOWN)
    }
}

/// The index spaces of a component, as far as they have weight. `None` stands for an item that is not defined there.
#[derive(Default)]
struct Scope {
    modules: Vec<Option<u64>>,
    components: Vec<Option<Weight>>,
    weight: Weight,
}

/// What is being read: a component, or a module with the weight of an instance so far.
enum Open {
    Component(Scope),
    Module(u64),
}

fn heaviest_module(component: &[u8]) -> u64 {
    let (mut heaviest, mut open) = (0, Vec::new());
    for payload in Parser::new(0).parse_all(component) {
        match payload {
            Ok(Payload::Version { .. }) => open.push(PER_INSTANCE),
            Ok(Payload::End(_)) => heaviest = heaviest.max(open.pop().unwrap_or(0)),
            Ok(payload) => {
                if let Some(last) = open.last_mut() {
                    *last = last.saturating_add(per_instance(&payload));
                }
            }
            Err(_) => return u64::MAX,
        }
    }
    heaviest
}

/// Returns `None` if the component is composed of its imports.
fn weigh(component: &[u8], heaviest: u64) -> Option<Weight> {
    let mut open: Vec<Open> = Vec::new();
    for payload in Parser::new(0).parse_all(component) {
        let payload = payload.ok()?;
        match &payload {
            Payload::Version { encoding: Encoding::Module, .. } => open.push(Open::Module(PER_INSTANCE)),
            Payload::Version { encoding: Encoding::Component, .. } => open.push(Open::Component(Scope::default())),
            Payload::End(_) => match (open.pop()?, open.last_mut()) {
                (Open::Component(scope), None) => return Some(scope.weight),
                (Open::Component(scope), Some(Open::Component(outer))) => outer.components.push(Some(scope.weight)),
                (Open::Module(weight), Some(Open::Component(outer))) => outer.modules.push(Some(weight)),
                (Open::Module(_), None) | (_, Some(Open::Module(_))) => return None,
            },
            _ => {
                let declared = declared(&payload).saturating_mul(PER_DECLARED_BYTE);
                let (last, outer) = open.split_last_mut()?;
                match last {
                    Open::Module(weight) => {
                        *weight = weight.saturating_add(per_instance(&payload));
                        // A module's declarations exist once, however many instances there are.
                        if let Some(Open::Component(scope)) = outer.last_mut() {
                            scope.weight = scope.weight.plus(Weight::bytes(declared));
                        }
                    }
                    Open::Component(scope) => {
                        scope.weight = scope.weight.plus(Weight::bytes(declared));
                        read(&payload, scope, outer, heaviest)?;
                    }
                }
            }
        }
    }
    None
}

/// Reads a section of a component.
fn read(payload: &Payload<'_>, scope: &mut Scope, outer: &[Open], heaviest: u64) -> Option<()> {
    match payload {
        Payload::InstanceSection(instances) => {
            for instance in instances.clone() {
                if let Instance::Instantiate { module_index, .. } = instance.ok()? {
                    let module = scope.modules.get(index(module_index)).copied().flatten().unwrap_or(heaviest);
                    scope.weight = scope.weight.plus(Weight { instances: 1, bytes: module });
                }
            }
        }
        Payload::ComponentInstanceSection(instances) => {
            for instance in instances.clone() {
                if let ComponentInstance::Instantiate { component_index, .. } = instance.ok()? {
                    let component = scope.components.get(index(component_index)).copied().flatten()?;
                    scope.weight = scope.weight.plus(component).plus(Weight::bytes(PER_INSTANCE));
                }
            }
        }
        Payload::ComponentAliasSection(aliases) => {
            for alias in aliases.clone() {
                match alias.ok()? {
                    ComponentAlias::InstanceExport { kind, .. } => add_unknown(scope, kind),
                    ComponentAlias::Outer { kind: ComponentOuterAliasKind::CoreModule, count, index: at } => {
                        let module = at_level(scope, outer, count, |scope| scope.modules.get(index(at)).copied());
                        scope.modules.push(module.flatten());
                    }
                    ComponentAlias::Outer { kind: ComponentOuterAliasKind::Component, count, index: at } => {
                        let component = at_level(scope, outer, count, |scope| scope.components.get(index(at)).copied());
                        scope.components.push(component.flatten());
                    }
                    ComponentAlias::CoreInstanceExport { .. } | ComponentAlias::Outer { .. } => {}
                }
            }
        }
        Payload::ComponentImportSection(imports) => {
            for import in imports.clone() {
                match import.ok()?.ty {
                    ComponentTypeRef::Module(_) => scope.modules.push(None),
                    ComponentTypeRef::Component(_) => scope.components.push(None),
                    _ => {}
                }
            }
        }
        Payload::ComponentExportSection(exports) => {
            for export in exports.clone() {
                let export = export.ok()?;
                match export.kind {
                    ComponentExternalKind::Module => {
                        scope.modules.push(scope.modules.get(index(export.index)).copied().flatten());
                    }
                    ComponentExternalKind::Component => {
                        scope.components.push(scope.components.get(index(export.index)).copied().flatten());
                    }
                    _ => {}
                }
            }
        }
        _ => {}
    }
    Some(())
}

fn add_unknown(scope: &mut Scope, kind: ComponentExternalKind) {
    match kind {
        ComponentExternalKind::Module => scope.modules.push(None),
        ComponentExternalKind::Component => scope.components.push(None),
        _ => {}
    }
}

/// Finds an item `count` components further out.
fn at_level<T>(scope: &Scope, outer: &[Open], count: u32, find: impl Fn(&Scope) -> Option<T>) -> Option<T> {
    let Some(up) = index(count).checked_sub(1) else { return find(scope) };
    match outer.iter().rev().nth(up)? {
        Open::Component(scope) => find(scope),
        Open::Module(_) => None,
    }
}

fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn length(range: &std::ops::Range<usize>) -> u64 {
    u64::try_from(range.len()).unwrap_or(u64::MAX)
}

/// Returns what one instance of a module takes for that section.
fn per_instance(payload: &Payload<'_>) -> u64 {
    let times = |count: u32, bytes: u64| u64::from(count).saturating_mul(bytes);
    match payload {
        Payload::GlobalSection(globals) => times(globals.count(), PER_GLOBAL),
        Payload::FunctionSection(functions) => times(functions.count(), PER_FUNCTION),
        Payload::MemorySection(memories) => times(memories.count(), PER_MEMORY_OR_TABLE),
        Payload::TableSection(tables) => times(tables.count(), PER_MEMORY_OR_TABLE),
        Payload::TagSection(tags) => times(tags.count(), PER_TAG),
        Payload::DataSection(data) => times(data.count(), PER_DATA),
        Payload::DataCountSection { count, .. } => times(*count, PER_DATA),
        Payload::ImportSection(imports) => length(&imports.range()).saturating_mul(PER_BYTE_OF_IMPORTS_AND_ELEMENTS),
        Payload::ElementSection(elements) => length(&elements.range()).saturating_mul(PER_BYTE_OF_IMPORTS_AND_ELEMENTS),
        _ => 0,
    }
}

/// Bytes of a section that declares something. Code and data are part of the compiled code, which has its own limit. A
/// custom section is not kept.
fn declared(payload: &Payload<'_>) -> u64 {
    let range = match payload {
        Payload::TypeSection(section) => section.range(),
        Payload::ImportSection(section) => section.range(),
        Payload::FunctionSection(section) => section.range(),
        Payload::TableSection(section) => section.range(),
        Payload::MemorySection(section) => section.range(),
        Payload::TagSection(section) => section.range(),
        Payload::GlobalSection(section) => section.range(),
        Payload::ExportSection(section) => section.range(),
        Payload::ElementSection(section) => section.range(),
        Payload::InstanceSection(section) => section.range(),
        Payload::CoreTypeSection(section) => section.range(),
        Payload::ComponentInstanceSection(section) => section.range(),
        Payload::ComponentAliasSection(section) => section.range(),
        Payload::ComponentTypeSection(section) => section.range(),
        Payload::ComponentCanonicalSection(section) => section.range(),
        Payload::ComponentImportSection(section) => section.range(),
        Payload::ComponentExportSection(section) => section.range(),
        _ => return 0,
    };
    length(&range)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weight(text: &str) -> Weight {
        Weight::of(&wat::parse_str(text).unwrap())
    }

    fn globals(count: usize) -> String {
        "(global i32 (i32.const 0))".repeat(count)
    }

    /// The cost of a thousand more globals.
    fn of_globals(around: impl Fn(&str) -> String) -> (u64, u64) {
        let (none, some) = (weight(&around("")), weight(&around(&globals(1000))));
        assert_eq!(none.instances, some.instances);
        (some.instances, some.bytes - none.bytes)
    }

    /// Five bytes each, and the count.
    const DECLARED: u64 = 5_000 * PER_DECLARED_BYTE;
    const INSTANTIATED: u64 = 1_000 * PER_GLOBAL;

    fn near(found: u64, expected: u64) -> bool {
        found.abs_diff(expected) <= 8 * PER_DECLARED_BYTE
    }

    #[test]
    fn each_instance_of_a_module_counts_and_its_declarations_once() {
        for times in [0, 1, 7] {
            let (instances, bytes) = of_globals(|globals| {
                format!("(component (core module $m {globals}) {})", "(core instance (instantiate $m))".repeat(times))
            });
            let times = u64::try_from(times).unwrap();
            assert_eq!(instances, times);
            assert!(near(bytes, DECLARED + times * INSTANTIATED), "{times}: {bytes}");
        }
    }

    #[test]
    fn components_within_components_multiply() {
        let (instances, bytes) = of_globals(|globals| {
            format!(
                "(component (component $outer
                    (component $inner (core module $m {globals})
                        (core instance (instantiate $m)) (core instance (instantiate $m)))
                    (instance (instantiate $inner)) (instance (instantiate $inner)) (instance (instantiate $inner)))
                (instance (instantiate $outer)) (instance (instantiate $outer)))"
            )
        });
        assert_eq!(instances, 12);
        assert!(bytes >= 12 * INSTANTIATED + DECLARED, "{bytes}");
    }

    #[test]
    fn doubling_saturates() {
        let level =
            |inner: String| format!("(component $c {inner} (instance (instantiate 0)) (instance (instantiate 0)))");
        let inner = (0..80)
            .fold("(component $c (core module $m) (core instance (instantiate $m)))".to_owned(), |inner, _| {
                level(inner)
            });
        assert_eq!(weight(&format!("(component {inner} (instance (instantiate 0)))")).instances, u64::MAX);
    }

    #[test]
    fn a_module_from_further_out_or_from_elsewhere_counts() {
        let (instances, bytes) = of_globals(|globals| {
            format!(
                "(component $top (core module $m {globals})
                    (component $inner (alias outer $top $m (core module $n)) (core instance (instantiate $n)))
                    (instance (instantiate $inner)) (instance (instantiate $inner)))"
            )
        });
        assert_eq!(instances, 2);
        assert!(near(bytes, DECLARED + 2 * INSTANTIATED), "{bytes}");
        let (instances, bytes) = of_globals(|globals| {
            format!(
                r#"(component (core module $m {globals})
                    (component $inner (import "m" (core module $n)) (core instance (instantiate $n)))
                    (instance (instantiate $inner (with "m" (core module $m)))))"#
            )
        });
        assert_eq!(instances, 1);
        assert!(near(bytes, DECLARED + INSTANTIATED), "{bytes}");
    }

    #[test]
    fn what_is_composed_of_imports_is_too_heavy() {
        let text = r#"(component (component $empty)
            (component $inner (import "c" (component $n)) (instance (instantiate $n)))
            (instance (instantiate $inner (with "c" (component $empty)))))"#;
        assert_eq!(weight(text), Weight::UNKNOWN);
    }

    #[test]
    fn no_bytes_panic() {
        for bytes in
            [&b""[..], b"\0asm", b"\0asm\x0d\0\x01\0", b"\0asm\x01\0\0\0", b"\0asm\x0d\0\x01\0\x02\xff\xff\xff\xff\x0f"]
        {
            let _ = Weight::of(bytes);
        }
    }
}
