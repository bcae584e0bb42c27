//! Series in memory, sorted by labels.

use parapet_model::{Labels, METRIC_NAME, MatchOp, Matcher, Series};
use std::collections::HashMap;

#[derive(Debug, Default)]
pub(crate) struct Memory {
    series: Vec<Series>,
}

impl Memory {
    pub(crate) fn new(mut series: Vec<Series>) -> Self {
        series.sort_by(|a, b| by_name(&a.labels, &b.labels));
        Self { series }
    }

    pub(crate) fn series(&self) -> usize {
        self.series.len()
    }

    pub(crate) fn samples(&self) -> usize {
        self.series.iter().map(|series| series.values.len()).sum()
    }

    pub(crate) fn all(&self) -> &[Series] {
        &self.series
    }

    /// The series that pass every matcher and have samples in the times asked for.
    pub(crate) fn select(&self, matchers: &[Matcher], start_ms: i64, end_ms: i64) -> Vec<&Series> {
        let named = matchers
            .iter()
            .find(|matcher| matcher.name == METRIC_NAME && matcher.op == MatchOp::Equal);
        let within = match named {
            Some(named) => {
                let start = self
                    .series
                    .partition_point(|series| name(&series.labels) < named.value.as_str());
                let found = self.series[start..].partition_point(|series| name(&series.labels) <= named.value.as_str());
                &self.series[start..start + found]
            }
            None => &self.series[..],
        };
        let others: Vec<&Matcher> = matchers
            .iter()
            .filter(|matcher| named.is_none_or(|named| !std::ptr::eq(named, *matcher)))
            .collect();
        // A value is tested once, however many series have it.
        let mut verdicts: Vec<HashMap<&str, bool>> = vec![HashMap::new(); others.len()];
        within
            .iter()
            .filter(|series| {
                others.iter().zip(&mut verdicts).all(|(matcher, verdicts)| {
                    let value = series.labels.get(&matcher.name).unwrap_or_default();
                    *verdicts.entry(value).or_insert_with(|| matcher.matches(value))
                })
            })
            .filter(|series| {
                let low = series.timestamps.partition_point(|at| *at < start_ms);
                series.timestamps.get(low).is_some_and(|at| *at <= end_ms)
            })
            .collect()
    }
}

fn name(labels: &Labels) -> &str {
    labels.metric_name().unwrap_or_default()
}

fn by_name(a: &Labels, b: &Labels) -> std::cmp::Ordering {
    name(a).cmp(name(b)).then_with(|| a.cmp(b))
}
