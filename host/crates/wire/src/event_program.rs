//! Classic BPF with labels. Instructions are written in order, and forward jumps are filled in at the end.
//!
//! A conditional jump reaches only 255 instructions, and a filter may be longer. So each condition guards an
//! unconditional jump, which reaches everywhere. Instructions and codes: linux/filter.h, linux/bpf_common.h.

use alloc::vec::Vec;

/// One instruction (`struct sock_filter`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    pub code: u16,
    /// Instructions to skip if the condition holds.
    pub jump_true: u8,
    /// Instructions to skip if the condition does not hold.
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

/// `SKF_AD_OFF + SKF_AD_NLATTR`: the offset of an attribute, or 0 if it is absent. The index register has the number of
/// the attribute, and the accumulator has the offset where the search begins.
const FIND: u32 = 0xffff_f000 + 12;
/// `SKF_AD_OFF + SKF_AD_NLATTR_NEST`: the same within the attribute at the offset in the accumulator.
const FIND_INSIDE: u32 = 0xffff_f000 + 16;

/// A place in the program that jumps can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Label(usize);

/// A program that is being written.
#[derive(Debug, Default)]
pub(crate) struct Program {
    instructions: Vec<Instruction>,
    /// The place of each label, once it is placed.
    places: Vec<usize>,
    /// Each jump with its label.
    jumps: Vec<(usize, Label)>,
}

impl Program {
    /// Creates a label. Place it once.
    pub(crate) fn label(&mut self) -> Label {
        self.places.push(0);
        Label(self.places.len() - 1)
    }

    /// Places the label here.
    pub(crate) fn place(&mut self, label: Label) {
        if let Some(place) = self.places.get_mut(label.0) {
            *place = self.instructions.len();
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.instructions.len()
    }

    pub(crate) fn accept(&mut self) {
        self.push(RETURN, u32::MAX);
    }

    pub(crate) fn reject(&mut self) {
        self.push(RETURN, 0);
    }

    /// Jumps to the label.
    pub(crate) fn go(&mut self, label: Label) {
        self.jumps.push((self.instructions.len(), label));
        self.push(JUMP, 0);
    }

    /// Finds an attribute by its path, in the attributes that begin at the offset `attributes`, and leaves its offset
    /// in the index register. Jumps to `absent` if there is no such attribute.
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

    /// Loads a byte at an offset from the begin of the found attribute.
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

    /// Keeps only these bits of the loaded number.
    pub(crate) fn and(&mut self, bits: u32) {
        self.push(AND, bits);
    }

    /// Jumps to the label if the loaded number equals `number`.
    pub(crate) fn equal(&mut self, number: u32, label: Label) {
        self.go_if(IF_EQUAL, number, label);
    }

    /// Jumps to the label if the loaded number is `number` or greater.
    pub(crate) fn at_least(&mut self, number: u32, label: Label) {
        self.go_if(IF_AT_LEAST, number, label);
    }

    /// Jumps to the label if the loaded number is greater than `number`.
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

    /// Returns the instructions with all jumps filled in. Every label is placed after the jumps that name it.
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
