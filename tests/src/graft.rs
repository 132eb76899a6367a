//! Adds a core module that no compiler would produce to a component of the tests.
//!
//! The binary forms follow the WebAssembly core specification (5.5) and the component model (Binary.md). A component is
//! a head of eight bytes, then sections in any order. A section is an id, a length and that many bytes.

/// The head of a core module.
const MODULE: &[u8] = b"\0asm\x01\0\0\0";
/// The length of a component's head.
const HEAD: usize = 8;
/// The section of a component that holds a core module.
const CORE_MODULE: u8 = 1;
/// The section of a component that holds core instances.
const CORE_INSTANCES: u8 = 2;
/// The value type `i32`.
const I32: u8 = 0x7f;
/// The value type `i64`.
const I64: u8 = 0x7e;
const END: u8 = 0x0b;
/// A block type without parameters and results.
const EMPTY: u8 = 0x40;

/// The component with one more core module, and with `instances` instances of that module.
#[must_use]
pub fn with_module(component: &[u8], module: &[u8], instances: u32) -> Vec<u8> {
    let number = sections(component).filter(|id| *id == CORE_MODULE).count();
    let number = leb(u64::try_from(number).expect("a number of modules"));
    let mut grafted = component.to_vec();
    grafted.extend(section(CORE_MODULE, module));
    if instances > 0 {
        let mut list = leb(u64::from(instances));
        for _ in 0..instances {
            // Instantiate that module, with no arguments.
            list.push(0);
            list.extend(&number);
            list.push(0);
        }
        grafted.extend(section(CORE_INSTANCES, &list));
    }
    grafted
}

/// A core module with `count` globals.
#[must_use]
pub fn globals(count: u32) -> Vec<u8> {
    let mut list = leb(u64::from(count));
    for _ in 0..count {
        list.extend([I32, 1, 0x41, 0, END]);
    }
    [MODULE, &section(6, &list)].concat()
}

/// A core module with `count` memories of `pages` pages each. No code touches them.
#[must_use]
pub fn memories(count: u32, pages: u64) -> Vec<u8> {
    let mut list = leb(u64::from(count));
    for _ in 0..count {
        list.push(0);
        list.extend(leb(pages));
    }
    [MODULE, &section(5, &list)].concat()
}

/// A core module with one table of that number of elements.
#[must_use]
pub fn table(elements: u64) -> Vec<u8> {
    let mut list = leb(1);
    // funcref, without a maximum.
    list.extend([0x70, 0]);
    list.extend(leb(elements));
    [MODULE, &section(4, &list)].concat()
}

/// A core module with a function in which `count` values are live at once, across as many branches. The time and memory
/// to compile it grow with the square of `count`.
#[must_use]
pub fn many_live_locals(count: u32) -> Vec<u8> {
    let (get, set) = (0x20, 0x21);
    let local = |instruction: u8, number: u32| [vec![instruction], leb(u64::from(number))].concat();
    let mut body = leb(1);
    body.extend(leb(u64::from(count)));
    body.push(I64);
    for number in 1..=count {
        // local[number] = local[0] + 1
        body.extend([local(get, 0), vec![0x42, 1, 0x7c], local(set, number)].concat());
    }
    body.extend([0x03, EMPTY]);
    for number in 1..=count {
        // if (i32) local[0] { local[number] += 1 }
        body.extend([local(get, 0), vec![0xa7, 0x04, EMPTY]].concat());
        body.extend([local(get, number), vec![0x42, 1, 0x7c], local(set, number), vec![END]].concat());
    }
    body.extend([local(get, 0), vec![0xa7, 0x0d, 0, END]].concat());
    for number in 1..=count {
        // local[0] ^= local[number]
        body.extend([local(get, 0), local(get, number), vec![0x85], local(set, 0)].concat());
    }
    body.push(END);
    let mut code = leb(1);
    code.extend(leb(u64::try_from(body.len()).expect("a length")));
    code.extend(body);
    // One type, a function from i64 to nothing, and one function of that type.
    [MODULE, &section(1, &[1, 0x60, 1, I64, 0]), &section(3, &[1, 0]), &section(10, &code)].concat()
}

/// The ids of a component's sections.
fn sections(component: &[u8]) -> impl Iterator<Item = u8> {
    let mut rest = &component[HEAD..];
    std::iter::from_fn(move || {
        let (id, behind) = rest.split_first()?;
        let (mut length, mut shift, mut read) = (0_usize, 0, 0);
        loop {
            let byte = behind[read];
            length |= usize::from(byte & 0x7f) << shift;
            (shift, read) = (shift + 7, read + 1);
            if byte & 0x80 == 0 {
                break;
            }
        }
        rest = &behind[read + length..];
        Some(*id)
    })
}

fn section(id: u8, content: &[u8]) -> Vec<u8> {
    let mut section = vec![id];
    section.extend(leb(u64::try_from(content.len()).expect("a length")));
    section.extend(content);
    section
}

/// Encodes an unsigned number as LEB128.
fn leb(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(number & 0x7f).expect("seven bits");
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}
