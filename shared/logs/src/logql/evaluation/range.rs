//! Aggregations over time: samples of lines by series, and what is made of a window of them.

use super::{EvaluationError, Parameters, Sample, over_time};
use crate::LogRecord;
use crate::logql::ast::{Conversion, Grouping, RangeAggregation};
use crate::logql::compile::{self, Compiled, CompiledFilter};
use crate::logql::hints::Hints;
use crate::logql::row::Row;
use crate::logql::stages;
use crate::number::parse_bytes;
use parapet_model::{Labels, MatchOp};
use std::collections::{BTreeSet, HashMap};

/// The samples of one aggregation.
#[derive(Clone, Debug)]
pub(super) struct RangeSeries {
    range: RangeAggregation,
    stages: Vec<Compiled>,
    hints: Hints,
    filters: Vec<CompiledFilter>,
    named: BTreeSet<String>,
    series: HashMap<Labels, Vec<(i64, f64)>>,
    samples: usize,
}

impl RangeSeries {
    /// The samples of an aggregation of a query that has these names of labels in it.
    pub(super) fn new(range: &RangeAggregation, named: &BTreeSet<String>) -> Result<Self, String> {
        let filters = range.unwrap.iter().flat_map(|unwrap| &unwrap.filters);
        Ok(Self {
            stages: compile::stages(&range.log)?,
            hints: Hints::of(range),
            filters: filters.map(compile::filter).collect::<Result<_, _>>()?,
            range: range.clone(),
            named: named.clone(),
            series: HashMap::new(),
            samples: 0,
        })
    }

    /// The labels of the series that a record is of, and its value there; `None` where it is of none.
    pub(super) fn kind(
        &self,
        record: &LogRecord,
        parameters: &Parameters,
    ) -> Result<Option<(Labels, f64)>, EvaluationError> {
        let Some(mut row) = stages::run(record, &self.stages, &self.hints, parameters.now_ns) else {
            return Ok(None);
        };
        let Some(value) = self.value(&mut row) else {
            return Ok(None);
        };
        if !self.filters.iter().all(|filter| stages::passes(filter, &mut row)) {
            return Ok(None);
        }
        let is_faulty = !row.error.is_empty();
        if is_faulty && !(self.hints.want_errors() && matches!(row.error, "JSONParserErr" | "LogfmtParserErr")) {
            return Err(EvaluationError::Pipeline {
                error: row.error.to_owned(),
                labels: row.labels().to_string(),
            });
        }
        let labels = match &self.range.grouping {
            // Faults are told with all labels.
            _ if is_faulty => row.series(&self.named),
            Some(grouping) if !grouping.without => row.only(&grouping.labels),
            grouping => {
                let gone = |name: &str| {
                    self.range.unwrap.as_ref().is_some_and(|unwrap| unwrap.label == name)
                        || grouping
                            .as_ref()
                            .is_some_and(|grouping| grouping.labels.iter().any(|other| other == name))
                };
                row.series(&self.named).without(gone)
            }
        };
        Ok(Some((labels, value)))
    }

    pub(super) fn add(
        &mut self,
        labels: Labels,
        time_ns: i64,
        value: f64,
        parameters: &Parameters,
    ) -> Result<(), EvaluationError> {
        self.samples += 1;
        if self.samples > parameters.max_samples {
            return Err(EvaluationError::Limit(format!(
                "the query holds more than {} samples; ask for a shorter time or fewer streams",
                parameters.max_samples
            )));
        }
        if self.series.len() >= parameters.max_series.saturating_mul(10) && !self.series.contains_key(&labels) {
            super::check_series(usize::MAX, parameters)?;
        }
        self.series.entry(labels).or_default().push((time_ns, value));
        Ok(())
    }

    /// The number that a row stands for.
    #[allow(clippy::cast_precision_loss)]
    fn value(&self, row: &mut Row<'_>) -> Option<f64> {
        let Some(unwrap) = &self.range.unwrap else {
            return Some(match self.range.function.as_str() {
                "bytes_over_time" | "bytes_rate" => row.line.len() as f64,
                _ => 1.0,
            });
        };
        let text = row.get(&unwrap.label);
        if text.is_empty() {
            return None;
        }
        let value = match unwrap.conversion {
            Conversion::Number => text.parse().ok(),
            Conversion::Bytes => parse_bytes(text),
            Conversion::Duration => stages::go_duration_seconds(text),
        };
        if value.is_none() {
            let details = format!("{} does not read as a number", parapet_model::quote(text));
            row.fail("SampleExtractionErr", details);
        }
        Some(value.unwrap_or_default())
    }

    /// Puts the samples in order of time; those of one time stay as they came.
    pub(super) fn sort(&mut self) {
        for samples in self.series.values_mut() {
            samples.sort_by_key(|(time, _)| *time);
        }
    }

    /// The series at a time.
    pub(super) fn at(&self, time_ns: i64) -> Vec<Sample> {
        let end = time_ns.saturating_sub(self.range.offset_ns);
        let start = end.saturating_sub(self.range.range_ns);
        let mut found = Vec::new();
        for (labels, samples) in &self.series {
            // Open on the left, closed on the right.
            let from = samples.partition_point(|(time, _)| *time <= start);
            let to = samples.partition_point(|(time, _)| *time <= end);
            if from < to {
                found.push(Sample {
                    labels: labels.clone(),
                    value: over_time::over_time(&self.range, &samples[from..to], start, end),
                });
            }
        }
        if self.range.function != "absent_over_time" {
            return found;
        }
        if !found.is_empty() {
            return Vec::new();
        }
        let equal = self
            .range
            .log
            .selector
            .iter()
            .filter(|matcher| matcher.op == MatchOp::Equal);
        vec![Sample {
            labels: Labels::from_pairs(equal.map(|matcher| (matcher.name.as_str(), matcher.value.as_str()))),
            value: 1.0,
        }]
    }
}

/// The labels that a grouping leaves.
pub(super) fn group(labels: &Labels, grouping: &Grouping) -> Labels {
    labels.without(|name| grouping.labels.iter().any(|other| other == name) == grouping.without)
}
