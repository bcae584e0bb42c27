//! Runs a [`Program`] over a text.

use super::program::{END, Program};
use super::steps::{Allowed, Instruction, Run, Step, Stops, Ways};
use crate::text::is_word_byte;
use regex_syntax::hir::Look;
use std::ops::Range;

const UNSET: usize = usize::MAX;

/// Memory that one search after another uses.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    slots: Vec<usize>,
    frames: Vec<Frame>,
    saves: Vec<(usize, usize)>,
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

/// A way back: an instruction that could have gone on otherwise.
#[derive(Clone, Copy, Debug)]
struct Frame {
    pc: usize,
    at: usize,
    /// Of several ways, how many were taken; of a run, its least end, or how many bytes it has.
    count: usize,
    /// Of several ways, the list of them.
    list: u32,
    /// How many places were saved before.
    saves: usize,
}

/// Searches for the leftmost match; `None` where it takes too many steps to tell.
pub(super) fn run(program: &Program, text: &[u8], scratch: &mut Scratch) -> Option<bool> {
    let mut steps = 4_096 + 64 * text.len();
    let last = if program.anchored { 0 } else { text.len() };
    for start in 0..=last {
        if !program.first.has(symbol(text, start)) {
            continue;
        }
        scratch.frames.clear();
        scratch.saves.clear();
        if run_at(program, text, start, scratch, &mut steps)? {
            scratch.slots.clear();
            scratch.slots.resize(program.slots, UNSET);
            for (slot, at) in &scratch.saves {
                scratch.slots[*slot] = *at;
            }
            return Some(true);
        }
    }
    Some(false)
}

#[inline]
fn symbol(text: &[u8], at: usize) -> usize {
    text.get(at).map_or(END, |byte| usize::from(*byte))
}

fn run_at(program: &Program, text: &[u8], start: usize, scratch: &mut Scratch, steps: &mut usize) -> Option<bool> {
    let Scratch { frames, saves, .. } = scratch;
    let (mut pc, mut at, mut left) = (0, start, *steps);
    loop {
        left = left.checked_sub(1)?;
        let mut step = &program.steps[pc];
        // Where the instruction ends, if the text allows it.
        let end = match &step.instruction {
            Instruction::Bytes(bytes) => {
                // Most are one byte long: not worth a call.
                let found = text.get(at) == Some(&bytes[0]) && (bytes.len() == 1 || text[at..].starts_with(bytes));
                found.then(|| at + bytes.len())
            }
            Instruction::Row(sets) => text.get(at..at + sets.len()).and_then(|window| {
                let mut pairs = window.iter().zip(sets);
                pairs.all(|(byte, set)| set.has_byte(*byte)).then(|| at + sets.len())
            }),
            Instruction::Whole(run) => run.whole(text, at),
            Instruction::Run(run) => run.first(text, at).map(|(end, other)| {
                if let Some((at, count)) = other {
                    let saves = saves.len();
                    frames.push(Frame {
                        pc,
                        at,
                        count,
                        list: 0,
                        saves,
                    });
                }
                end
            }),
            Instruction::Ways(ways) => match ways.allowed(text, at) {
                Allowed::None => None,
                Allowed::One(only) => {
                    pc = only as usize;
                    continue;
                }
                Allowed::List(list) => {
                    let saves = saves.len();
                    frames.push(Frame {
                        pc,
                        at,
                        count: 1,
                        list,
                        saves,
                    });
                    pc = ways.lists[list as usize].ways[0];
                    continue;
                }
            },
            Instruction::Save(slot) => {
                saves.push((*slot, at));
                Some(at)
            }
            Instruction::Assert(look) => holds(*look, text, at).then_some(at),
            Instruction::Match => {
                *steps = left;
                return Some(true);
            }
        };
        match end {
            Some(end) => at = end,
            None => match back(program, text, frames, saves) {
                Some(Place::Way(way, place)) => {
                    (pc, at) = (way, place);
                    continue;
                }
                Some(Place::End(run, end)) => (step, at) = (run, end),
                None => {
                    *steps = left;
                    return Some(false);
                }
            },
        }
        for slot in &step.saves {
            saves.push((*slot, at));
        }
        pc = step.next;
    }
}

/// Where a program goes on.
enum Place<'p> {
    /// At an instruction.
    Way(usize, usize),
    /// After a run that ends there now.
    End(&'p Step, usize),
}

/// Goes back to the last place where there was another way.
fn back<'p>(
    program: &'p Program,
    text: &[u8],
    frames: &mut Vec<Frame>,
    saves: &mut Vec<(usize, usize)>,
) -> Option<Place<'p>> {
    while let Some(frame) = frames.pop() {
        saves.truncate(frame.saves);
        let step = &program.steps[frame.pc];
        match &step.instruction {
            Instruction::Ways(ways) => {
                let (ways, count) = (&ways.lists[frame.list as usize].ways, frame.count + 1);
                if count < ways.len() {
                    frames.push(Frame { count, ..frame });
                }
                return Some(Place::Way(ways[frame.count], frame.at));
            }
            Instruction::Run(run) => {
                let Some((end, other)) = run.other(text, frame.at, frame.count) else {
                    continue;
                };
                frames.extend(other.map(|(at, count)| Frame { at, count, ..frame }));
                return Some(Place::End(step, end));
            }
            _ => {}
        }
    }
    None
}

/// Where a run ends, and where it could end otherwise, as [`Run::other`] takes it.
type Ends = Option<(usize, Option<(usize, usize)>)>;

impl Ways {
    /// The ways that the text allows.
    #[inline]
    fn allowed(&self, text: &[u8], at: usize) -> Allowed {
        let mut allowed = self.dispatch[symbol(text, at)];
        while let Allowed::List(list) = allowed
            && let Some((run, others)) = &self.lists[list as usize].guard
            && run.whole(text, at).is_none()
        {
            allowed = *others;
        }
        allowed
    }
}

impl Run {
    /// How many bytes of the class there are.
    #[inline]
    fn length(&self, text: &[u8], at: usize) -> usize {
        let window = &text[at..at + (text.len() - at).min(self.most)];
        let end = match self.stops {
            Stops::Many => window.iter().position(|byte| !self.set.has_byte(*byte)),
            Stops::One(a) => memchr::memchr(a, window),
            Stops::Two(a, b) => memchr::memchr2(a, b, window),
            Stops::Three(a, b, c) => memchr::memchr3(a, b, c, window),
        };
        end.unwrap_or(window.len())
    }

    /// The only end that a run from `at` on can have.
    #[inline]
    fn whole(&self, text: &[u8], at: usize) -> Option<usize> {
        let taken = self.length(text, at);
        let end = at + taken;
        (taken >= self.least && self.next.has(symbol(text, end))).then_some(end)
    }

    /// The first of the ends that a run from `at` on has.
    fn first(&self, text: &[u8], at: usize) -> Ends {
        if self.greedy {
            let taken = self.length(text, at);
            if taken < self.least {
                return None;
            }
            return self.shorter(text, at + taken, at + self.least);
        }
        let least = text.get(at..at + self.least)?;
        if !least.iter().all(|byte| self.set.has_byte(*byte)) {
            return None;
        }
        self.longer(text, at + self.least, self.least)
    }

    /// The next of its ends.
    fn other(&self, text: &[u8], at: usize, count: usize) -> Ends {
        if self.greedy {
            self.shorter(text, at, count)
        } else {
            self.longer(text, at, count)
        }
    }

    /// The longest end from `low` to `high` after which what follows may begin.
    fn shorter(&self, text: &[u8], high: usize, low: usize) -> Ends {
        let end = (low..=high).rev().find(|end| self.next.has(symbol(text, *end)))?;
        Some((end, (end > low).then(|| (end - 1, low))))
    }

    /// The shortest end from `at` on, where it has `count` bytes, after which what follows may begin.
    fn longer(&self, text: &[u8], mut at: usize, mut count: usize) -> Ends {
        loop {
            let may_take = count < self.most && at < text.len() && self.set.has_byte(text[at]);
            if self.next.has(symbol(text, at)) {
                return Some((at, may_take.then_some((at + 1, count + 1))));
            }
            if !may_take {
                return None;
            }
            count += 1;
            at += 1;
        }
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
