//! Runs a [`Program`] over a text.

use super::program::{END, Instruction, Program};
use crate::text::is_word_byte;
use regex_syntax::hir::Look;
use std::ops::Range;

const UNSET: usize = usize::MAX;

/// Memory that one search after another uses.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    slots: Vec<usize>,
    frames: Vec<Frame>,
}

impl Scratch {
    /// What a group captured.
    pub(super) fn group(&self, group: usize) -> Option<Range<usize>> {
        match self.slots.get(group * 2..group * 2 + 2)? {
            [UNSET, _] | [_, UNSET] => None,
            [start, end] => Some(*start..*end),
            _ => None,
        }
    }

    pub(super) fn set(&mut self, groups: impl Iterator<Item = Option<(usize, usize)>>) {
        self.slots.clear();
        for group in groups {
            let (start, end) = group.unwrap_or((UNSET, UNSET));
            self.slots.extend([start, end]);
        }
    }
}

/// A way back.
#[derive(Clone, Copy, Debug)]
enum Frame {
    /// Other ways of an instruction.
    Ways {
        instruction: usize,
        list: usize,
        taken: usize,
        at: usize,
    },
    /// A run that may give back down to `low`.
    Shorter { instruction: usize, low: usize, at: usize },
    /// A run that may take more.
    Longer {
        instruction: usize,
        count: usize,
        at: usize,
    },
    /// What a slot held.
    Slot { slot: usize, held: usize },
}

/// Searches for the leftmost match; `None` where it takes too many steps to tell.
pub(super) fn run(program: &Program, text: &[u8], scratch: &mut Scratch) -> Option<bool> {
    let mut steps = 4_096 + 64 * text.len();
    let last = if program.anchored { 0 } else { text.len() };
    for start in 0..=last {
        if !program.first.has(symbol(text, start)) {
            continue;
        }
        scratch.slots.clear();
        scratch.slots.resize(program.slots, UNSET);
        scratch.frames.clear();
        match run_at(program, text, start, scratch, &mut steps) {
            Some(true) => return Some(true),
            Some(false) => {}
            None => return None,
        }
    }
    Some(false)
}

fn symbol(text: &[u8], at: usize) -> usize {
    text.get(at).map_or(END, |byte| usize::from(*byte))
}

fn run_at(program: &Program, text: &[u8], start: usize, scratch: &mut Scratch, steps: &mut usize) -> Option<bool> {
    let (mut pc, mut at) = (0, start);
    loop {
        let goes_on = match &program.instructions[pc] {
            Instruction::Match => return Some(true),
            Instruction::Bytes(bytes) => {
                // Most are one byte long: not worth a call.
                let found = text.get(at) == Some(&bytes[0]) && (bytes.len() == 1 || text[at..].starts_with(bytes));
                if found {
                    at += bytes.len();
                    pc += 1;
                }
                found
            }
            Instruction::One(set) => {
                let found = at < text.len() && set.has_byte(text[at]);
                if found {
                    at += 1;
                    pc += 1;
                }
                found
            }
            Instruction::Run {
                set,
                least,
                most,
                greedy,
                next,
                whole,
            } => {
                let window = &text[at..at + (text.len() - at).min(*most)];
                if *greedy || *whole {
                    let taken = window
                        .iter()
                        .position(|byte| !set.has_byte(*byte))
                        .unwrap_or(window.len());
                    if taken < *least {
                        false
                    } else if *whole && taken < *most {
                        at += taken;
                        pc += 1;
                        true
                    } else {
                        shorter(text, next, scratch, pc, at + least, at + taken).is_some_and(|place| {
                            (pc, at) = (pc + 1, place);
                            true
                        })
                    }
                } else {
                    let enough = window.len() >= *least && window[..*least].iter().all(|byte| set.has_byte(*byte));
                    enough
                        && longer(program, text, scratch, pc, *least, at + least).is_some_and(|place| {
                            (pc, at) = (pc + 1, place);
                            true
                        })
                }
            }
            Instruction::Ways { dispatch, lists, .. } => {
                let list = usize::from(dispatch[symbol(text, at)]);
                match lists[list].as_slice() {
                    [] => false,
                    [only] => {
                        pc = *only;
                        true
                    }
                    [first, ..] => {
                        scratch.frames.push(Frame::Ways {
                            instruction: pc,
                            list,
                            taken: 1,
                            at,
                        });
                        pc = *first;
                        true
                    }
                }
            }
            Instruction::Jump(target) => {
                pc = *target;
                true
            }
            Instruction::Save(slot) => {
                let held = std::mem::replace(&mut scratch.slots[*slot], at);
                // Without a way back there is nothing to restore.
                if !scratch.frames.is_empty() {
                    scratch.frames.push(Frame::Slot { slot: *slot, held });
                }
                pc += 1;
                true
            }
            Instruction::Assert(look) => {
                pc += 1;
                holds(*look, text, at)
            }
        };
        *steps = steps.checked_sub(1)?;
        if !goes_on {
            match back(program, text, scratch) {
                Some(place) => (pc, at) = place,
                None => return Some(false),
            }
        }
    }
}

/// Goes back to the last place where there was another way.
fn back(program: &Program, text: &[u8], scratch: &mut Scratch) -> Option<(usize, usize)> {
    while let Some(frame) = scratch.frames.pop() {
        match frame {
            Frame::Slot { slot, held } => scratch.slots[slot] = held,
            Frame::Ways {
                instruction,
                list,
                taken,
                at,
            } => {
                let Instruction::Ways { lists, .. } = &program.instructions[instruction] else {
                    continue;
                };
                let ways = &lists[list];
                if taken + 1 < ways.len() {
                    scratch.frames.push(Frame::Ways {
                        instruction,
                        list,
                        taken: taken + 1,
                        at,
                    });
                }
                return Some((ways[taken], at));
            }
            Frame::Shorter { instruction, low, at } => {
                let Instruction::Run { next, .. } = &program.instructions[instruction] else {
                    continue;
                };
                if let Some(place) = shorter(text, next, scratch, instruction, low, at) {
                    return Some((instruction + 1, place));
                }
            }
            Frame::Longer { instruction, count, at } => {
                if let Some(place) = longer(program, text, scratch, instruction, count, at) {
                    return Some((instruction + 1, place));
                }
            }
        }
    }
    None
}

/// The longest end of a run from `low` to `high` after which what follows may begin; the shorter ones are kept.
fn shorter(
    text: &[u8],
    next: &super::program::Set,
    scratch: &mut Scratch,
    instruction: usize,
    low: usize,
    high: usize,
) -> Option<usize> {
    let mut at = high;
    while !next.has(symbol(text, at)) {
        if at == low {
            return None;
        }
        at -= 1;
    }
    if at > low {
        scratch.frames.push(Frame::Shorter {
            instruction,
            low,
            at: at - 1,
        });
    }
    Some(at)
}

/// The shortest end of a run, of which `count` bytes are taken, after which what follows may begin.
fn longer(
    program: &Program,
    text: &[u8],
    scratch: &mut Scratch,
    instruction: usize,
    mut count: usize,
    mut at: usize,
) -> Option<usize> {
    let Instruction::Run { set, most, next, .. } = &program.instructions[instruction] else {
        return None;
    };
    loop {
        let may_take = count < *most && at < text.len() && set.has_byte(text[at]);
        if next.has(symbol(text, at)) {
            if may_take {
                scratch.frames.push(Frame::Longer {
                    instruction,
                    count: count + 1,
                    at: at + 1,
                });
            }
            return Some(at);
        }
        if !may_take {
            return None;
        }
        count += 1;
        at += 1;
    }
}

fn holds(look: Look, text: &[u8], at: usize) -> bool {
    let before = at > 0 && is_word_byte(text[at - 1]);
    let after = at < text.len() && is_word_byte(text[at]);
    match look {
        Look::Start => at == 0,
        Look::End => at == text.len(),
        Look::StartLF => at == 0 || text[at - 1] == b'\n',
        Look::EndLF => at == text.len() || text[at] == b'\n',
        Look::WordAscii => before != after,
        Look::WordAsciiNegate => before == after,
        Look::WordStartHalfAscii => !before,
        Look::WordEndHalfAscii => !after,
        _ => false,
    }
}
