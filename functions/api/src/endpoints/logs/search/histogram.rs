//! How many lines there are over time, by level.

use crate::endpoints::logs::ask::Fault;
use parapet_logs::{Level, Steps};

const SECOND_NS: i64 = 1_000_000_000;
/// The most pieces of time.
const MAX_BUCKETS: i64 = 11_000;
/// Lengths of pieces that people can read, seconds.
const STEPS: [i64; 19] = [
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 604_800,
];

/// Counts of each piece of time: of lines without a level, and of each level.
#[derive(Debug)]
pub(super) struct Histogram {
    first_ns: i64,
    pub(super) step_ns: i64,
    counts: Vec<[u64; Level::ALL.len() + 1]>,
}

impl Histogram {
    /// One of the range, in steps, or in the first readable steps that give no more than `buckets` pieces.
    pub(super) fn new(start_ns: i64, end_ns: i64, step_ns: Option<i64>, buckets: usize) -> Result<Self, Fault> {
        let seconds = (end_ns - start_ns).div_euclid(SECOND_NS);
        let wanted = i64::try_from(buckets).unwrap_or(MAX_BUCKETS).clamp(1, MAX_BUCKETS);
        let step_ns = step_ns.unwrap_or_else(|| {
            let readable = STEPS.into_iter().find(|step| seconds / step < wanted);
            readable.unwrap_or(seconds / wanted + 1) * SECOND_NS
        });
        let first_ns = start_ns.div_euclid(step_ns) * step_ns;
        let count = (end_ns - first_ns) / step_ns + 1;
        if count > MAX_BUCKETS {
            return Err(Fault::bad(format!(
                "the range has {count} steps, more than {MAX_BUCKETS}; ask for a longer step"
            )));
        }
        let counts = vec![Default::default(); usize::try_from(count).unwrap_or_default()];
        Ok(Self {
            first_ns,
            step_ns,
            counts,
        })
    }

    /// The times that it tells apart.
    pub(super) fn steps(&self) -> Steps {
        Steps::new(self.step_ns, vec![self.first_ns])
    }

    /// Adds so many lines of a level and a time.
    pub(super) fn add(&mut self, time_ns: i64, level: Option<Level>, lines: u64) {
        let at = usize::try_from((time_ns - self.first_ns).div_euclid(self.step_ns)).ok();
        if let Some(counts) = at.and_then(|at| self.counts.get_mut(at)) {
            counts[level.map_or(0, |level| level as usize + 1)] += lines;
        }
    }

    /// When each piece begins, and its counts: those that are not 0, by the name of the level.
    pub(super) fn pieces(&self) -> impl Iterator<Item = (i64, Vec<(&'static str, u64)>)> {
        let begins = (self.first_ns..).step_by(usize::try_from(self.step_ns).unwrap_or(usize::MAX));
        begins.zip(&self.counts).map(|(begin, counts)| {
            let names = std::iter::once("").chain(Level::ALL.map(Level::as_str));
            let told = names.zip(*counts).filter(|(_, count)| *count > 0);
            (begin, told.collect())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_people_can_read() {
        let mut histogram = Histogram::new(90 * SECOND_NS, 3_690 * SECOND_NS, None, 60).unwrap();
        assert_eq!((histogram.step_ns, histogram.first_ns), (120 * SECOND_NS, 0));
        histogram.add(100 * SECOND_NS, Some(Level::Error), 2);
        histogram.add(3_690 * SECOND_NS, None, 1);
        histogram.add(-1, None, 1);
        histogram.add(i64::MAX, None, 1);
        let pieces: Vec<_> = histogram.pieces().filter(|(_, counts)| !counts.is_empty()).collect();
        assert_eq!(pieces, [(0, vec![("ERROR", 2)]), (3_600 * SECOND_NS, vec![("", 1)])]);
        assert_eq!(Histogram::new(0, 0, None, 1).unwrap().counts.len(), 1);
        assert!(Histogram::new(0, 86_400 * SECOND_NS, Some(1_000_000), 1).is_err());
    }
}
