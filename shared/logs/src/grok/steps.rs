//! The finished form of a program: what can be known beforehand is worked out, so that a line takes few steps.

use super::program::{Op, Set};
use regex_syntax::hir::Look;

/// An instruction, and how the program goes on after it.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) instruction: Instruction,
    /// The slots that are told the place.
    pub(super) saves: Box<[usize]>,
    pub(super) next: usize,
}

#[derive(Clone, Debug)]
pub(super) enum Instruction {
    /// These bytes.
    Bytes(Box<[u8]>),
    /// So many bytes, each of its class.
    Row(Box<[Set]>),
    /// A run of which no byte may be given back.
    Whole(Box<Run>),
    Run(Box<Run>),
    Ways(Box<Ways>),
    /// Tells a slot the place, where no instruction before does.
    Save(usize),
    Assert(Look),
    Match,
}

/// As many bytes of a class as there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) set: Set,
    pub(super) least: usize,
    pub(super) most: usize,
    pub(super) greedy: bool,
    /// What may follow.
    pub(super) next: Set,
    /// The bytes that end a run, where they are few.
    pub(super) stops: Stops,
}

/// Bytes that can be searched for faster than a class is asked about each byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stops {
    One(u8),
    Two(u8, u8),
    Three(u8, u8, u8),
    Many,
}

/// One of several ways, the first that leads to a match.
#[derive(Clone, Debug)]
pub(super) struct Ways {
    /// For each next byte, and the end, the ways that it allows.
    pub(super) dispatch: [Allowed; 257],
    pub(super) lists: Vec<List>,
}

/// The ways that a byte allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Allowed {
    None,
    One(u32),
    /// The list of this number.
    List(u32),
}

#[derive(Clone, Debug)]
pub(super) struct List {
    /// Two at least.
    pub(super) ways: Vec<usize>,
    /// A run with which several ways begin, the first one among them, and what is allowed where it is not there.
    pub(super) guard: Option<(Run, Allowed)>,
}

/// Makes steps of a program, whose instructions begin with the bytes of `firsts`. `None` where it is too large.
pub(super) fn of(program: &[Op], firsts: &[Set]) -> Option<Vec<Step>> {
    let mut steps = Vec::with_capacity(program.len());
    for at in 0..program.len() {
        let (mut saves, mut next) = after(program, at);
        let instruction = match &program[at] {
            Op::Bytes(_) | Op::One(_) => {
                let (mut row, mut pieces) = (classes(&program[at])?, 1);
                // What follows without a choice is part of it.
                while saves.is_empty()
                    && let Some(more) = program.get(next).and_then(classes)
                    && row.len() + more.len() <= MAX_ROW
                {
                    row.extend(more);
                    pieces += 1;
                    (saves, next) = after(program, next);
                }
                match &program[at] {
                    Op::Bytes(bytes) if pieces == 1 => Instruction::Bytes(bytes.clone()),
                    _ => Instruction::Row(row.into()),
                }
            }
            Op::Run { .. } => {
                let run = run(program, firsts, at)?;
                if run.set.meets(&run.next) {
                    Instruction::Run(Box::new(run))
                } else {
                    Instruction::Whole(Box::new(run))
                }
            }
            Op::Ways(targets) => Instruction::Ways(Box::new(ways(program, firsts, targets)?)),
            // It is only left to begin with.
            Op::Jump(_) => Instruction::Row(Box::default()),
            Op::Save(slot) => Instruction::Save(*slot),
            Op::Assert(look) => Instruction::Assert(*look),
            Op::Match => Instruction::Match,
        };
        steps.push(Step {
            instruction,
            saves: saves.into(),
            next,
        });
    }
    Some(steps)
}

/// The first instruction from `at` on that is no jump.
fn end_of_jumps(program: &[Op], mut at: usize) -> usize {
    while let Some(Op::Jump(target)) = program.get(at) {
        at = *target;
    }
    at
}

/// The slots that are told the place after the instruction at `at`, and the instruction that follows.
fn after(program: &[Op], at: usize) -> (Vec<usize>, usize) {
    let start = match program[at] {
        Op::Jump(_) => at,
        _ => at + 1,
    };
    let (mut saves, mut next) = (Vec::new(), end_of_jumps(program, start));
    while let Some(Op::Save(slot)) = program.get(next) {
        saves.push(*slot);
        next = end_of_jumps(program, next + 1);
    }
    (saves, next)
}

/// The most bytes of a row.
const MAX_ROW: usize = 8;

/// The classes of what takes a known number of bytes.
fn classes(op: &Op) -> Option<Vec<Set>> {
    match op {
        Op::Bytes(bytes) => Some(bytes.iter().map(|byte| Set::one(*byte)).collect()),
        Op::One(set) => Some(vec![(**set).clone()]),
        _ => None,
    }
}

fn run(program: &[Op], firsts: &[Set], at: usize) -> Option<Run> {
    let Op::Run {
        set,
        least,
        most,
        greedy,
    } = &program[at]
    else {
        return None;
    };
    let mut ends = (0..=u8::MAX).filter(|byte| !set.has_byte(*byte));
    Some(Run {
        set: (**set).clone(),
        least: *least,
        most: *most,
        greedy: *greedy,
        next: firsts[at + 1].clone(),
        stops: match (ends.next(), ends.next(), ends.next(), ends.next()) {
            (Some(a), None, ..) => Stops::One(a),
            (Some(a), Some(b), None, _) => Stops::Two(a, b),
            (Some(a), Some(b), Some(c), None) => Stops::Three(a, b, c),
            _ => Stops::Many,
        },
    })
}

fn ways(program: &[Op], firsts: &[Set], targets: &[usize]) -> Option<Ways> {
    let mut ways = Ways {
        dispatch: [Allowed::None; 257],
        lists: Vec::new(),
    };
    for symbol in 0..ways.dispatch.len() {
        let allowed = targets.iter().filter(|target| firsts[**target].has(symbol));
        let allowed = allowed.map(|target| end_of_jumps(program, *target)).collect();
        ways.dispatch[symbol] = ways.allow(program, firsts, allowed)?;
    }
    Some(ways)
}

impl Ways {
    fn allow(&mut self, program: &[Op], firsts: &[Set], ways: Vec<usize>) -> Option<Allowed> {
        let number = |number: usize| u32::try_from(number).ok();
        match *ways {
            [] => return Some(Allowed::None),
            [only] => return Some(Allowed::One(number(only)?)),
            _ => {}
        }
        if let Some(known) = self.lists.iter().position(|list| list.ways == ways) {
            return Some(Allowed::List(number(known)?));
        }
        // Where ways begin with the same run, its bytes are looked at once for all of them.
        let first = run(program, firsts, ways[0]).filter(|run| !run.set.meets(&run.next));
        let others = ways.iter().copied().filter(|way| run(program, firsts, *way) != first);
        let guard = match first.clone() {
            Some(run) => {
                let others: Vec<usize> = others.collect();
                let several = others.len() + 1 < ways.len();
                let allowed = self.allow(program, firsts, others)?;
                several.then_some((run, allowed))
            }
            None => None,
        };
        self.lists.push(List { ways, guard });
        Some(Allowed::List(number(self.lists.len() - 1)?))
    }
}
