//! Compiles a regular expression to a program for [`super::run`].
//!
//! The program goes back as little as it can: where the next byte says which way to go, there is one way only; a run
//! of a class that cannot eat what follows it is taken whole and never given back. Log formats are nearly all like
//! that. What this form cannot hold (loops over what may be empty, Unicode word boundaries, very large counts) is left
//! to the regular expression library.

use super::steps::{self, Step};
use regex_syntax::hir::{Class, Hir, HirKind, Look, Repetition};

/// A program longer than this is not built.
const MAX_INSTRUCTIONS: usize = 20_000;

/// The bytes of a class. The last entry stands for the end of the text.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Set([bool; 257]);

/// The index that stands for the end of the text.
pub(super) const END: usize = 256;

impl Set {
    const EMPTY: Self = Self([false; 257]);

    pub(super) fn has(&self, symbol: usize) -> bool {
        self.0[symbol]
    }

    pub(super) fn has_byte(&self, byte: u8) -> bool {
        self.0[usize::from(byte)]
    }

    pub(super) fn one(byte: u8) -> Self {
        let mut set = Self::EMPTY;
        set.0[usize::from(byte)] = true;
        set
    }

    fn union(&mut self, other: &Self) {
        for (here, there) in self.0.iter_mut().zip(other.0) {
            *here |= there;
        }
    }

    pub(super) fn meets(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0).any(|(here, there)| *here && there)
    }
}

impl std::fmt::Debug for Set {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries((0..257).filter(|symbol| self.has(*symbol)))
            .finish()
    }
}

/// What a program is compiled to first, before [`steps::of`].
#[derive(Clone, Debug)]
pub(super) enum Op {
    /// These bytes.
    Bytes(Box<[u8]>),
    /// One byte of a class.
    One(Box<Set>),
    /// As many bytes of a class as there are.
    Run {
        set: Box<Set>,
        least: usize,
        most: usize,
        greedy: bool,
    },
    /// One of several ways, the first that leads to a match.
    Ways(Vec<usize>),
    Jump(usize),
    Save(usize),
    Assert(Look),
    Match,
}

#[derive(Clone, Debug)]
pub(super) struct Program {
    pub(super) steps: Vec<Step>,
    pub(super) slots: usize,
    /// With what a match may begin.
    pub(super) first: Set,
    /// Whether a match begins at the start of the text only.
    pub(super) anchored: bool,
}

impl Program {
    /// Compiles a pattern that the regular expression library takes; `None` where it is better at it.
    pub(super) fn compile(pattern: &str) -> Option<Self> {
        let hir = regex_syntax::ParserBuilder::new()
            .unicode(false)
            .utf8(false)
            .build()
            .parse(pattern)
            .ok()?;
        let mut compiler = Compiler {
            out: Vec::new(),
            slots: 2,
        };
        compiler.hir(&hir)?;
        compiler.out.push(Op::Match);
        let Compiler { out, slots } = compiler;
        let firsts = firsts(&out)?;
        Some(Self {
            steps: steps::of(&out, &firsts)?,
            slots,
            anchored: hir.properties().look_set_prefix().contains(Look::Start),
            first: firsts.into_iter().next()?,
        })
    }
}

struct Compiler {
    out: Vec<Op>,
    slots: usize,
}

impl Compiler {
    fn hir(&mut self, hir: &Hir) -> Option<()> {
        if self.out.len() > MAX_INSTRUCTIONS {
            return None;
        }
        match hir.kind() {
            HirKind::Empty => {}
            HirKind::Literal(literal) => self.out.push(Op::Bytes(literal.0.clone())),
            HirKind::Class(class) => match set_of(class) {
                Some(set) => self.out.push(Op::One(Box::new(set))),
                None => self.characters(class)?,
            },
            HirKind::Look(look) => match look {
                Look::Start | Look::End | Look::StartLF | Look::EndLF | Look::WordAscii | Look::WordAsciiNegate => {
                    self.out.push(Op::Assert(*look));
                }
                Look::WordStartHalfAscii | Look::WordEndHalfAscii => self.out.push(Op::Assert(*look)),
                _ => return None,
            },
            HirKind::Repetition(repetition) => self.repetition(repetition)?,
            HirKind::Capture(capture) => {
                // A group without a name is nobody's field.
                if capture.name.is_none() {
                    return self.hir(&capture.sub);
                }
                let slot = usize::try_from(capture.index).ok()? * 2;
                self.slots = self.slots.max(slot + 2);
                self.out.push(Op::Save(slot));
                self.hir(&capture.sub)?;
                self.out.push(Op::Save(slot + 1));
            }
            HirKind::Concat(parts) => {
                for part in parts {
                    self.hir(part)?;
                }
            }
            HirKind::Alternation(parts) => self.alternatives(parts, |compiler, part| compiler.hir(part))?,
        }
        Some(())
    }

    fn alternatives<T>(&mut self, parts: &[T], mut emit: impl FnMut(&mut Self, &T) -> Option<()>) -> Option<()> {
        let ways = self.ways();
        let mut ends = Vec::new();
        for part in parts {
            self.target(ways);
            emit(self, part)?;
            ends.push(self.out.len());
            self.out.push(Op::Jump(0));
        }
        let after = self.out.len();
        for end in ends {
            self.out[end] = Op::Jump(after);
        }
        Some(())
    }

    /// A few characters of more than one byte, such as the library's month names have.
    fn characters(&mut self, class: &Class) -> Option<()> {
        let Class::Unicode(chars) = class else { return None };
        let all: Vec<char> = chars
            .iter()
            .flat_map(|range| range.start()..=range.end())
            .take(64)
            .collect();
        if all.len() == 64 {
            return None;
        }
        self.alternatives(&all, |compiler, c| {
            compiler.out.push(Op::Bytes(c.to_string().into_bytes().into()));
            Some(())
        })
    }

    fn repetition(&mut self, repetition: &Repetition) -> Option<()> {
        let least = usize::try_from(repetition.min).ok()?;
        let most = repetition.max.and_then(|most| usize::try_from(most).ok());
        if let Some(set) = single(&repetition.sub) {
            self.out.push(Op::Run {
                set: Box::new(set),
                least,
                most: most.unwrap_or(usize::MAX),
                greedy: repetition.greedy,
            });
            return Some(());
        }
        // What may be empty has its own rules about captures.
        if repetition.sub.properties().minimum_len() == Some(0) {
            return None;
        }
        for _ in 0..least {
            self.hir(&repetition.sub)?;
        }
        match most {
            None => {
                let ways = self.ways();
                self.body(ways, repetition, |compiler| {
                    compiler.hir(&repetition.sub)?;
                    compiler.out.push(Op::Jump(ways));
                    Some(())
                })
            }
            Some(most) => self.optional(repetition, most - least),
        }
    }

    /// Up to `times` more, each only after the one before it.
    fn optional(&mut self, repetition: &Repetition, times: usize) -> Option<()> {
        let mut open = Vec::new();
        for _ in 0..times {
            let ways = self.ways();
            open.push(ways);
            if repetition.greedy {
                self.target(ways);
            }
            self.hir(&repetition.sub)?;
        }
        let after = self.out.len();
        for ways in open {
            if let Op::Ways(targets) = &mut self.out[ways] {
                targets.push(after);
                if !repetition.greedy {
                    targets.push(ways + 1);
                }
            }
        }
        Some(())
    }

    /// A loop's body, before or after the way out of it as it is greedy or not.
    fn body(&mut self, ways: usize, repetition: &Repetition, emit: impl FnOnce(&mut Self) -> Option<()>) -> Option<()> {
        let start = self.out.len();
        emit(self)?;
        let after = self.out.len();
        if let Op::Ways(targets) = &mut self.out[ways] {
            *targets = if repetition.greedy {
                vec![start, after]
            } else {
                vec![after, start]
            };
        }
        Some(())
    }

    fn ways(&mut self) -> usize {
        self.out.push(Op::Ways(Vec::new()));
        self.out.len() - 1
    }

    /// Makes what follows one of the ways.
    fn target(&mut self, ways: usize) {
        let here = self.out.len();
        if let Op::Ways(targets) = &mut self.out[ways] {
            targets.push(here);
        }
    }
}

/// The bytes of which one is a match of the whole.
fn single(hir: &Hir) -> Option<Set> {
    match hir.kind() {
        HirKind::Literal(literal) => match *literal.0 {
            [byte] => Some(Set::one(byte)),
            _ => None,
        },
        HirKind::Class(class) => set_of(class),
        HirKind::Capture(capture) if capture.name.is_none() => single(&capture.sub),
        _ => None,
    }
}

fn set_of(class: &Class) -> Option<Set> {
    let mut set = Set::EMPTY;
    match class {
        Class::Bytes(bytes) => {
            for range in bytes.ranges() {
                (range.start()..=range.end()).for_each(|byte| set.0[usize::from(byte)] = true);
            }
        }
        Class::Unicode(chars) => {
            for range in chars.ranges() {
                let end = u8::try_from(range.end()).ok().filter(u8::is_ascii)?;
                (range.start() as u8..=end).for_each(|byte| set.0[usize::from(byte)] = true);
            }
        }
    }
    Some(set)
}

/// For each instruction the bytes that can come next when it is reached; where the end of the program is, anything.
fn firsts(program: &[Op]) -> Option<Vec<Set>> {
    let mut firsts = vec![Set::EMPTY; program.len()];
    // Backwards most are right at once; loops need to be gone over again.
    for _ in 0..64 {
        let mut changed = false;
        for at in (0..program.len()).rev() {
            let mut set = match &program[at] {
                Op::Match => Set([true; 257]),
                Op::Bytes(bytes) => Set::one(*bytes.first()?),
                Op::One(set) => (**set).clone(),
                Op::Run { set, least, .. } => {
                    let mut set = (**set).clone();
                    if *least == 0 {
                        set.union(&firsts[at + 1]);
                    }
                    set
                }
                Op::Ways(targets) => {
                    let mut set = Set::EMPTY;
                    targets.iter().for_each(|target| set.union(&firsts[*target]));
                    set
                }
                Op::Jump(target) => firsts[*target].clone(),
                Op::Save(_) | Op::Assert(_) => firsts[at + 1].clone(),
            };
            set.union(&firsts[at]);
            if set != firsts[at] {
                firsts[at] = set;
                changed = true;
            }
        }
        if !changed {
            return Some(firsts);
        }
    }
    None
}
