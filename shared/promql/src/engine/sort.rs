//! A sort that can be stopped.

use super::{Evaluator, Result};
use std::cmp::Ordering;

/// So many values are sorted, or merged, between two looks at the interrupt.
const RUN: usize = 4096;

impl Evaluator<'_> {
    /// Sorts; equal values keep their order.
    pub(super) fn sort<T>(&self, values: &mut Vec<T>, order: impl Fn(&T, &T) -> Ordering) -> Result<()> {
        for run in values.chunks_mut(RUN) {
            self.check_interrupt()?;
            run.sort_by(&order);
        }
        let mut length = RUN;
        while length < values.len() {
            let mut merged = Vec::with_capacity(values.len());
            let mut rest = std::mem::take(values).into_iter();
            while !rest.as_slice().is_empty() {
                let mut left = rest.by_ref().take(length).collect::<Vec<T>>().into_iter().peekable();
                let mut right = rest.by_ref().take(length).collect::<Vec<T>>().into_iter().peekable();
                loop {
                    if merged.len() % RUN == 0 {
                        self.check_interrupt()?;
                    }
                    let next = match (left.peek(), right.peek()) {
                        (Some(a), Some(b)) if order(a, b) == Ordering::Greater => right.next(),
                        (Some(_), _) => left.next(),
                        (None, _) => right.next(),
                    };
                    let Some(next) = next else { break };
                    merged.push(next);
                }
            }
            *values = merged;
            length = length.saturating_mul(2);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Grid, Shared};
    use crate::query::{Beside, Options};

    #[test]
    fn sorts_as_the_standard_library_does() {
        let options = Options::default();
        let shared = Shared::new(&options, &[], Beside::default());
        let grid = Grid {
            start: 0,
            end: 0,
            step: 1,
        };
        let evaluator = Evaluator { shared: &shared, grid };
        for length in [0usize, 1, 2, RUN - 1, RUN, RUN + 1, 3 * RUN + 7, 5 * RUN] {
            let mut values: Vec<(u64, usize)> = (0..length).map(|at| ((at as u64 * 7919) % 1000, at)).collect();
            let mut want = values.clone();
            want.sort_by_key(|(value, _)| *value);
            evaluator.sort(&mut values, |a, b| a.0.cmp(&b.0)).unwrap();
            assert_eq!(values, want, "{length}");
        }
    }
}
