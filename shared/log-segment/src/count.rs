//! Counting the rows of a block that are alike.

use crate::rows::Rows;
use crate::{Error, summary::Origin};
use parapet_logs::{Level, LogRecord, Steps};
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

impl Rows {
    /// How many rows of a range of time (nanoseconds, both ends within) are alike: of one of `steps`, of one level and of
    /// one origin, as far as these were read. What was not read is as `alike` has it. For each kind a record, with a time
    /// of one of its rows; of a kind there may be several.
    ///
    /// # Errors
    /// [`Error::Form`] where a record does not read.
    pub fn count(
        &mut self,
        (start_ns, end_ns): (i64, i64),
        steps: &Steps,
        alike: &LogRecord,
    ) -> Result<Vec<(LogRecord, u64)>, Error> {
        let mut counts = Vec::new();
        for number in 0..self.batches.len() {
            let batch = &self.batches[number];
            if !self.projection.time {
                self.count_piece(number, 0..batch.rows, alike, &mut counts)?;
                continue;
            }
            let mut row = batch.times.partition_point(|time| *time < start_ns);
            while let Some(first) = self.batches[number].times.get(row).filter(|time| **time <= end_ns) {
                let (timestamp_ns, last_ns) = (*first, steps.last_ns(*first).min(end_ns));
                let rest = &self.batches[number].times[row..];
                // Of a damaged file times may be in no order.
                let next = row + rest.partition_point(|time| *time <= last_ns).max(1);
                let alike = LogRecord {
                    timestamp_ns,
                    ..alike.clone()
                };
                self.count_piece(number, row..next, &alike, &mut counts)?;
                row = next;
            }
        }
        Ok(counts)
    }

    /// The same of some rows of a batch, of one piece of time.
    fn count_piece(
        &mut self,
        number: usize,
        rows: Range<usize>,
        alike: &LogRecord,
        counts: &mut Vec<(LogRecord, u64)>,
    ) -> Result<(), Error> {
        if self.projection.stream || self.projection.origin {
            let mut found: HashMap<LogRecord, u64> = HashMap::new();
            for row in rows {
                let mut record = self.record(self.starts[number] + row)?;
                record.timestamp_ns = alike.timestamp_ns;
                if !self.projection.level {
                    record.level = alike.level;
                }
                *found.entry(record).or_default() += 1;
            }
            counts.extend(found);
            return Ok(());
        }
        if !self.projection.level {
            counts.push((alike.clone(), rows.len() as u64));
            return Ok(());
        }
        let mut of_levels = [0_u64; Level::ALL.len() + 1];
        for level in &self.batches[number].levels[rows] {
            of_levels[level.map_or(0, |level| level as usize + 1)] += 1;
        }
        let levels = std::iter::once(None).chain(Level::ALL.map(Some));
        let found = levels.zip(of_levels).filter(|(_, count)| *count > 0);
        counts.extend(found.map(|(level, count)| (LogRecord { level, ..alike.clone() }, count)));
        Ok(())
    }
}
