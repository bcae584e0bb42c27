//! Which times of a selector are needed (`getTimeRangesForSelector` of Prometheus), and the hints.

use super::Instant;
use crate::ast::{BinaryOp, Extension};
use crate::functions::over_time::of_runs;
use crate::query::{Hints, QueryRange, Selector};

use parapet_model::{Matcher, Windows};

/// What a selector stands in, from the outermost expression to the innermost.
#[derive(Clone)]
pub(super) enum Around {
    Aggregate {
        name: &'static str,
        by: bool,
        grouping: Vec<String>,
    },
    Call(&'static str),
    Binary(BinaryOp),
    Subquery {
        offset: i64,
        range: i64,
        step: i64,
        at: Option<i64>,
    },
    Other,
}

pub(super) struct Context<'a> {
    pub(super) query: QueryRange,
    pub(super) lookback: i64,
    pub(super) use_start_timestamps: bool,
    pub(super) path: &'a [Around],
}

impl Context<'_> {
    /// `range` is the range selector's, 0 for an instant one.
    pub(super) fn selector(&self, instant: &Instant, range: i64) -> Selector {
        let (start_ms, end_ms) = self.times(instant, range);
        Selector {
            matchers: instant.matchers.clone(),
            start_ms,
            end_ms,
            hints: Hints {
                windows: self.windows(instant, range),
                ..self.hints(range)
            },
        }
    }

    /// The windows of the function right around a range selector. Those of subqueries are not told.
    fn windows(&self, instant: &Instant, range_ms: i64) -> Option<Windows> {
        let Some(Around::Call(name)) = self.path.last() else {
            return None;
        };
        let is_inner = self.path.iter().any(|around| matches!(around, Around::Subquery { .. }));
        if range_ms == 0 || instant.extension.is_some() || is_inner || self.use_start_timestamps {
            return None;
        }
        let QueryRange {
            start_ms,
            end_ms,
            step_ms,
        } = self.query;
        let steps = if step_ms > 0 {
            end_ms.saturating_sub(start_ms) / step_ms
        } else {
            0
        };
        Some(Windows {
            function: of_runs(name)?,
            first_end_ms: instant.reference(start_ms),
            range_ms,
            step_ms,
            count: if instant.at.is_some() { 1 } else { steps + 1 },
        })
    }

    fn times(&self, instant: &Instant, range: i64) -> (i64, i64) {
        let (mut start, mut end) = (self.query.start_ms, self.query.end_ms);
        let (mut offsets, mut ranges) = (0i64, 0i64);
        for around in self.path {
            if let Around::Subquery { offset, range, at, .. } = around {
                if let Some(at) = at {
                    // Whatever is around does not matter any more.
                    (offsets, ranges, start, end) = (0, 0, *at, *at);
                }
                offsets = offsets.saturating_add(*offset);
                ranges = ranges.saturating_add(*range);
            }
        }
        if let Some(at) = instant.at {
            (start, end) = (at, at);
        } else {
            start = start.saturating_sub(offsets).saturating_sub(ranges);
            end = end.saturating_sub(offsets);
        }
        // Ranges are open on the left: a sample right at their start is not needed.
        let before = match (range, instant.extension) {
            (0, _) => self.lookback,
            (_, Some(_)) => range.saturating_add(self.lookback),
            (_, None) => range,
        };
        start = start.saturating_sub(before - 1);
        if instant.extension == Some(Extension::Smoothed) {
            end = end.saturating_add(self.lookback);
        }
        (start.saturating_sub(instant.offset), end.saturating_sub(instant.offset))
    }

    fn hints(&self, range_ms: i64) -> Hints {
        let inner_step = self.path.iter().rev().find_map(|around| match around {
            Around::Subquery { step, .. } => Some(*step),
            _ => None,
        });
        let function = self
            .path
            .iter()
            .rev()
            .find_map(|around| match around {
                Around::Aggregate { name, .. } | Around::Call(name) => Some(Some((*name).to_owned())),
                Around::Binary(_) => Some(None),
                Around::Subquery { .. } | Around::Other => None,
            })
            .flatten();
        let (by, grouping) = match self.path.last() {
            Some(Around::Aggregate { by, grouping, .. }) if range_ms == 0 => (*by, grouping.clone()),
            _ => (false, Vec::new()),
        };
        Hints {
            function,
            range_ms,
            step_ms: inner_step.unwrap_or(self.query.step_ms),
            grouping,
            by,
            windows: None,
        }
    }

    /// Whether of histograms only count and sum are looked at: then nothing else need be carried along.
    pub(super) fn wants_statistics(&self) -> bool {
        let mut statistics = false;
        for around in self.path.iter().rev() {
            match around {
                // Resets between the steps of a subquery are found by the buckets.
                Around::Subquery { .. }
                | Around::Call("histogram_quantile" | "histogram_quantiles" | "histogram_fraction")
                | Around::Binary(BinaryOp::TrimLower | BinaryOp::TrimUpper) => return false,
                Around::Call("histogram_count" | "histogram_sum" | "histogram_avg") => statistics = true,
                _ => {}
            }
        }
        statistics
    }

    /// What `info` needs of the metrics that carry labels.
    pub(super) fn info_selector(&self, matchers: Vec<Matcher>, at: Option<i64>, offset: i64) -> Selector {
        let instant = Instant {
            source: 0,
            at,
            offset,
            extension: None,
            statistics: false,
            matchers,
        };
        let (start_ms, end_ms) = self.times(&instant, 0);
        let hints = Hints {
            function: Some("info".to_owned()),
            ..self.hints(0)
        };
        Selector {
            matchers: instant.matchers,
            start_ms,
            end_ms,
            hints,
        }
    }
}
