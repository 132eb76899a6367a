//! Classic BPF with labels: instructions are written in order, and jumps to places that are still to come are filled in at
//! the end.
//!
//! It exists because a conditional jump of the machine reaches 255 instructions and a filter may be longer; here each condition
//! guards an unconditional jump, which reaches everywhere. Instructions and codes: linux/filter.h, linux/bpf_common.h.

use alloc::vec::Vec;

/// One instruction (`struct sock_filter`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    pub code: u16,
    /// Instructions to pass over where the condition holds.
    pub jump_true: u8,
    /// Instructions to pass over where it does not.
    pub jump_false: u8,
    pub operand: u32,
}

/// `BPF_LD | BPF_IMM`.
const LOAD_NUMBER: u16 = 0x00;
/// `BPF_LD | BPF_W | BPF_ABS`.
const LOAD_WORD: u16 = 0x20;
/// `BPF_LD | BPF_B | BPF_ABS`.
const LOAD_BYTE: u16 = 0x30;
/// `BPF_LD | BPF_W | BPF_IND`.
const LOAD_WORD_AT: u16 = 0x40;
/// `BPF_LD | BPF_H | BPF_IND`.
const LOAD_HALF_AT: u16 = 0x48;
/// `BPF_LD | BPF_B | BPF_IND`.
const LOAD_BYTE_AT: u16 = 0x50;
/// `BPF_LDX | BPF_IMM`.
const LOAD_INDEX: u16 = 0x01;
/// `BPF_MISC | BPF_TAX`.
const MOVE_TO_INDEX: u16 = 0x07;
/// `BPF_ALU | BPF_AND | BPF_K`.
const AND: u16 = 0x54;
/// `BPF_JMP | BPF_JA`.
const JUMP: u16 = 0x05;
/// `BPF_JMP | BPF_JEQ | BPF_K`.
const IF_EQUAL: u16 = 0x15;
/// `BPF_JMP | BPF_JGT | BPF_K`.
const IF_ABOVE: u16 = 0x25;
/// `BPF_JMP | BPF_JGE | BPF_K`.
const IF_AT_LEAST: u16 = 0x35;
/// `BPF_RET | BPF_K`.
const RETURN: u16 = 0x06;

/// `SKF_AD_OFF + SKF_AD_NLATTR`: the offset of the attribute numbered by the index register, among those from the offset in
/// the accumulator on; 0 where there is none.
const FIND: u32 = 0xffff_f000 + 12;
/// `SKF_AD_OFF + SKF_AD_NLATTR_NEST`: the same inside of the attribute at the offset in the accumulator.
const FIND_INSIDE: u32 = 0xffff_f000 + 16;

/// A place that jumps can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Label(usize);

/// A program that is being written.
#[derive(Debug, Default)]
pub(crate) struct Program {
    instructions: Vec<Instruction>,
    /// Where each label is, once it was placed.
    places: Vec<usize>,
    /// Which jump goes to which label.
    jumps: Vec<(usize, Label)>,
}

impl Program {
    /// A new label; to be placed once.
    pub(crate) fn label(&mut self) -> Label {
        self.places.push(0);
        Label(self.places.len() - 1)
    }

    /// The label is here.
    pub(crate) fn place(&mut self, label: Label) {
        if let Some(place) = self.places.get_mut(label.0) {
            *place = self.instructions.len();
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.instructions.len()
    }

    /// The message passes, whole.
    pub(crate) fn accept(&mut self) {
        self.push(RETURN, u32::MAX);
    }

    /// The message is dropped.
    pub(crate) fn reject(&mut self) {
        self.push(RETURN, 0);
    }

    /// Goes to the label.
    pub(crate) fn go(&mut self, label: Label) {
        self.jumps.push((self.instructions.len(), label));
        self.push(JUMP, 0);
    }

    /// Finds an attribute by its path, from the attributes that begin at the offset; its offset is then in the index register.
    /// Goes to the label where it is not there.
    pub(crate) fn find(&mut self, attributes: usize, path: &[u16], absent: Label) {
        self.push(LOAD_NUMBER, u32::try_from(attributes).unwrap_or(u32::MAX));
        let mut how = FIND;
        for &number in path {
            self.push(LOAD_INDEX, number.into());
            self.push(LOAD_WORD, how);
            self.equal(0, absent);
            how = FIND_INSIDE;
        }
        self.push(MOVE_TO_INDEX, 0);
    }

    /// Loads a byte of the message.
    pub(crate) fn load_byte(&mut self, offset: usize) {
        self.push(LOAD_BYTE, u32::try_from(offset).unwrap_or(u32::MAX));
    }

    /// Loads a byte behind the found attribute's begin.
    pub(crate) fn load_byte_at(&mut self, offset: u32) {
        self.push(LOAD_BYTE_AT, offset);
    }

    /// Loads two bytes, big-endian.
    pub(crate) fn load_half_at(&mut self, offset: u32) {
        self.push(LOAD_HALF_AT, offset);
    }

    /// Loads four bytes, big-endian.
    pub(crate) fn load_word_at(&mut self, offset: u32) {
        self.push(LOAD_WORD_AT, offset);
    }

    /// Keeps these bits of the loaded number.
    pub(crate) fn and(&mut self, bits: u32) {
        self.push(AND, bits);
    }

    /// Goes to the label where the loaded number is this one.
    pub(crate) fn equal(&mut self, number: u32, label: Label) {
        self.go_if(IF_EQUAL, number, label);
    }

    /// Goes to the label where the loaded number is this one or greater.
    pub(crate) fn at_least(&mut self, number: u32, label: Label) {
        self.go_if(IF_AT_LEAST, number, label);
    }

    /// Goes to the label where the loaded number is greater than this one.
    pub(crate) fn above(&mut self, number: u32, label: Label) {
        self.go_if(IF_ABOVE, number, label);
    }

    fn go_if(&mut self, code: u16, operand: u32, label: Label) {
        self.instructions.push(Instruction { code, jump_true: 0, jump_false: 1, operand });
        self.go(label);
    }

    fn push(&mut self, code: u16, operand: u32) {
        self.instructions.push(Instruction { code, jump_true: 0, jump_false: 0, operand });
    }

    /// The instructions with all jumps filled in. Every label lies behind the jumps that name it.
    pub(crate) fn finish(mut self) -> Vec<Instruction> {
        for (from, label) in self.jumps {
            let to = self.places.get(label.0).copied().unwrap_or_default();
            if let Some(jump) = self.instructions.get_mut(from) {
                jump.operand = u32::try_from(to.saturating_sub(from + 1)).unwrap_or(u32::MAX);
            }
        }
        self.instructions
    }
}
