//! Counting the rows of a block that are alike.

use crate::Error;
use crate::fields::pairs;
use crate::rows::Rows;
use crate::summary::Origin;
use parapet_logs::{Level, LogRecord, Steps};
use parapet_model::Labels;
use std::collections::HashMap;
use std::ops::Range;

impl Origin {
    /// A record of the origin, of which nothing else is known.
    #[must_use]
    pub fn record(&self) -> LogRecord {
        LogRecord {
            stream: self.stream.clone(),
            service: self.service.as_str().into(),
            host: self.host.as_str().into(),
            ..LogRecord::default()
        }
    }
}

/// What a count is asked for.
#[derive(Clone, Debug)]
pub struct Counting {
    /// The first nanosecond and the last.
    pub range_ns: (i64, i64),
    /// Which times are told apart.
    pub steps: Steps,
    /// Which levels count.
    pub levels: Vec<Option<Level>>,
    /// What is not read of records.
    pub alike: LogRecord,
}

impl Rows {
    /// How many rows are alike: of one step, of one level and of one origin, as far as these were read. For each kind a
    /// record, with a time of one of its rows; of a kind there may be several.
    ///
    /// # Errors
    /// [`Error::Form`] where a record does not read.
    pub fn count(&mut self, counting: &Counting) -> Result<Vec<(LogRecord, u64)>, Error> {
        let (start_ns, end_ns) = counting.range_ns;
        let (mut counts, mut alike) = (Vec::new(), counting.alike.clone());
        for number in 0..self.batches.len() {
            let mut row = self.batches[number].times.partition_point(|time| *time < start_ns);
            while row < self.batches[number].rows {
                let batch = &self.batches[number];
                let mut next = batch.rows;
                if self.projection.time {
                    alike.timestamp_ns = batch.times[row];
                    if alike.timestamp_ns > end_ns {
                        break;
                    }
                    let last_ns = counting.steps.last_ns(alike.timestamp_ns).min(end_ns);
                    // Of a damaged file times may be in no order.
                    next = row + batch.times[row..].partition_point(|time| *time <= last_ns).max(1);
                }
                if self.projection.stream || self.projection.origin {
                    self.count_origins(number, row..next, counting, &alike, &mut counts)?;
                } else if self.projection.level {
                    count_levels(&batch.levels[row..next], &alike, &mut counts);
                } else {
                    counts.push((alike.clone(), (next - row) as u64));
                }
                row = next;
            }
        }
        Ok(counts)
    }

    /// Counts rows of a batch by origin and level.
    fn count_origins(
        &mut self,
        number: usize,
        rows: Range<usize>,
        counting: &Counting,
        alike: &LogRecord,
        counts: &mut Vec<(LogRecord, u64)>,
    ) -> Result<(), Error> {
        let mut of_levels = [false; LEVELS];
        counting.levels.iter().for_each(|level| of_levels[index(*level)] = true);
        let batch = &self.batches[number];
        // Streams by number; of each kind its first row, and how many it has.
        let mut streams: HashMap<Labels, usize> = HashMap::new();
        let mut found: HashMap<_, (usize, u64)> = HashMap::new();
        let (mut last, mut stream) = (Labels::empty(), usize::MAX);
        for row in rows {
            let level = batch.levels.get(row).copied().unwrap_or(alike.level);
            if !of_levels[index(level)] {
                continue;
            }
            if let Some(column) = &batch.stream {
                let pairs = pairs(column, row)?;
                if stream == usize::MAX || !last.iter().eq(pairs.clone()) {
                    last = Labels::from_sorted(pairs);
                    let next = streams.len();
                    stream = *streams.entry(last.clone()).or_insert(next);
                }
            }
            let [service, host] = [&batch.service, &batch.host].map(|words| words.as_ref()?.key(row));
            found.entry((stream, service, host, level)).or_insert((row, 0)).1 += 1;
        }
        let start = self.starts[number];
        for ((.., level), (row, count)) in found {
            let mut record = self.record(start + row)?;
            (record.timestamp_ns, record.level) = (alike.timestamp_ns, level);
            if !self.projection.stream {
                record.stream = alike.stream.clone();
            }
            if !self.projection.origin {
                (record.service, record.host) = (alike.service.clone(), alike.host.clone());
            }
            counts.push((record, count));
        }
        Ok(())
    }
}

const LEVELS: usize = Level::ALL.len() + 1;

/// A number for a level: 0 for none, from 1 for DEBUG on.
pub(crate) fn index(level: Option<Level>) -> usize {
    level.map_or(0, |level| level as usize + 1)
}

fn count_levels(levels: &[Option<Level>], alike: &LogRecord, counts: &mut Vec<(LogRecord, u64)>) {
    let mut of_levels = [0_u64; LEVELS];
    levels.iter().for_each(|level| of_levels[index(*level)] += 1);
    let levels = std::iter::once(None).chain(Level::ALL.map(Some));
    let found = levels.zip(of_levels).filter(|(_, count)| *count > 0);
    counts.extend(found.map(|(level, count)| (LogRecord { level, ..alike.clone() }, count)));
}
