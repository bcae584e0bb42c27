//! What all the lines of a search have in common: how many there are when, values of fields, patterns.

use super::histogram::Histogram;
use super::{Wanted, need};
use crate::endpoints::logs::ask::{Fault, Search};
use crate::endpoints::logs::mining::{Mined, Pattern, mine};
use parapet_logs::LogRecord;
use parapet_store::logs::{Columns, LogQuery, Order};
use std::collections::HashMap;
use std::ops::ControlFlow;

/// The most values of a field that are counted; rarer ones that come later are not.
const MAX_VALUES: usize = 100_000;

/// What was found over all lines.
#[derive(Debug)]
pub(super) struct Summary {
    pub(super) total: u64,
    pub(super) histogram: Histogram,
    /// Counts of values by field, in the order in which they were asked for.
    fields: Vec<(String, HashMap<String, u64>)>,
    pub(super) patterns: Vec<Pattern>,
}

impl Summary {
    /// Reads every line that is wanted, and of each what counts.
    pub(super) fn read(
        search: &mut Search,
        wanted: &Wanted,
        mut histogram: Histogram,
        top: &[String],
        with_patterns: bool,
    ) -> Result<Self, Fault> {
        let mut columns = top
            .iter()
            .fold(Columns::NONE, |columns, name| need::of_field(name, columns));
        if with_patterns {
            columns = need::of_field("message", columns);
        }
        let mut query = wanted.reading(columns);
        query.order = Order::OldestFirst;
        let mut fields: Vec<(String, HashMap<String, u64>)> =
            top.iter().map(|name| (name.clone(), HashMap::new())).collect();
        let (mut total, mut mined) = (0, Mined::default());
        if top.is_empty() && !with_patterns && need::is_of_level(&wanted.filter) {
            return Self::count(search, wanted, &query, histogram);
        }
        search.each(&query, |record| {
            if !wanted.filter.matches(record) {
                return Ok(ControlFlow::Continue(()));
            }
            total += 1;
            histogram.add(record.timestamp_ns, record.level, 1);
            for (name, counts) in &mut fields {
                let Some(value) = record.field(name) else { continue };
                let is_full = counts.len() >= MAX_VALUES;
                if let Some(count) = counts.get_mut(value) {
                    *count += 1;
                } else if !is_full {
                    counts.insert(value.to_owned(), 1);
                }
            }
            if with_patterns {
                mine(&mut mined, 0, &record.message())?;
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(Self {
            total,
            histogram,
            fields,
            patterns: mined.patterns(),
        })
    }

    /// The same of a filter that looks at levels alone: nothing else of the lines is read.
    fn count(search: &mut Search, wanted: &Wanted, query: &LogQuery, mut histogram: Histogram) -> Result<Self, Fault> {
        let kind = |record: &LogRecord| {
            let record = LogRecord {
                level: record.level,
                ..LogRecord::default()
            };
            wanted.filter.matches(&record).then_some(record.level)
        };
        let mut total = 0;
        for count in search.count(query, &histogram.steps(), &kind)? {
            for (time_ns, lines) in count.steps {
                total += lines;
                histogram.add(time_ns, count.kind, lines);
            }
        }
        Ok(Self {
            total,
            histogram,
            fields: Vec::new(),
            patterns: Vec::new(),
        })
    }

    /// The most frequent values of each field.
    pub(super) fn top(&self, limit: usize) -> Vec<(&str, Vec<(&str, u64)>)> {
        self.fields
            .iter()
            .map(|(name, counts)| {
                let mut values: Vec<(&str, u64)> =
                    counts.iter().map(|(value, count)| (value.as_str(), *count)).collect();
                values.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
                values.truncate(limit);
                (name.as_str(), values)
            })
            .collect()
    }
}
