//! Range vectors: the points of a series, the window of each step, and the functions over it.

use super::instant::{advance, statistics};
use super::{Computed, Evaluator, Result, Row, failure, stored};
use crate::ast::{Extension, PositionRange, ValueType};
use crate::functions::over_time::{self, Context, RangeFunction, Window};
use crate::plan::{Kind, Node, Range};
use crate::query::StartTimestamps;
use parapet_model::{Histogram, Labels, Run, Series, is_stale_nan};
use std::borrow::Cow;
use std::sync::Arc;

/// The points of one series, without staleness markers.
pub(crate) struct Points<'a> {
    pub(crate) labels: Labels,
    /// Whether the metric's name is to go already.
    pub(crate) drop_name: bool,
    pub(crate) times: Cow<'a, [i64]>,
    pub(crate) values: Cow<'a, [f64]>,
    pub(crate) histograms: Cow<'a, [(i64, Arc<Histogram>)]>,
    /// As many as `times` and `histograms`, or none.
    pub(crate) starts: Option<StartTimestamps>,
    /// What stands for points that are not there, between those that are.
    pub(crate) runs: &'a [Run],
}

impl<'a> Points<'a> {
    /// The points of a whole series.
    pub(super) fn of_series(series: &'a Series, only_statistics: bool, starts: Option<&StartTimestamps>) -> Self {
        Self::within(series, (i64::MIN, i64::MAX), only_statistics, starts)
    }

    /// The points of a series; floats from the first time to the last alone, both inclusive.
    fn within(
        series: &'a Series,
        (first, last): (i64, i64),
        only_statistics: bool,
        starts: Option<&StartTimestamps>,
    ) -> Self {
        let low = series.timestamps.partition_point(|at| *at < first);
        let high = low + series.timestamps[low..].partition_point(|at| *at <= last);
        let (timestamps, float_values) = (&series.timestamps[low..high], &series.values[low..high]);
        let fresh = |value: f64| !is_stale_nan(value);
        let clean = |value: f64| stored(value).to_bits() == value.to_bits() && fresh(value);
        let keep_floats: Option<Vec<usize>> = (!float_values.iter().all(|value| clean(*value)))
            .then(|| (0..float_values.len()).filter(|at| fresh(float_values[*at])).collect());
        let (times, values) = match &keep_floats {
            None => (Cow::Borrowed(timestamps), Cow::Borrowed(float_values)),
            Some(keep) => (
                keep.iter().map(|at| timestamps[*at]).collect(),
                keep.iter().map(|at| stored(float_values[*at])).collect(),
            ),
        };
        let all = statistics(series, only_statistics);
        let keep_histograms: Vec<usize> = (0..all.len()).filter(|at| fresh(all[*at].1.sum)).collect();
        let histograms = if keep_histograms.len() == all.len() {
            all
        } else {
            keep_histograms.iter().map(|at| all[*at].clone()).collect()
        };
        let starts = starts.map(|starts| {
            let pick = |from: &[i64], at: usize| from.get(at).copied().unwrap_or_default();
            StartTimestamps {
                floats: match &keep_floats {
                    None => (low..high).map(|at| pick(&starts.floats, at)).collect(),
                    Some(keep) => keep.iter().map(|at| pick(&starts.floats, low + at)).collect(),
                },
                histograms: keep_histograms.iter().map(|at| pick(&starts.histograms, *at)).collect(),
            }
        });
        Self {
            labels: series.labels.clone(),
            drop_name: false,
            times,
            values,
            histograms,
            starts,
            runs: &[],
        }
    }

    /// The window open on the left. `floats` and `histograms` are where the last one stood.
    fn window<'w>(&'w self, cursor: &mut WindowCursor, after: i64, until: i64) -> Window<'w> {
        cursor.floats.1 = advance(&self.times, cursor.floats.1, until);
        cursor.floats.0 = advance(&self.times, cursor.floats.0, after).min(cursor.floats.1);
        let (low, high) = cursor.floats;
        let histograms = &self.histograms[..];
        let (mut first, mut last) = cursor.histograms;
        if !histograms.is_empty() {
            last += histograms[last..].partition_point(|(time, _)| *time <= until);
            first += histograms[first..last].partition_point(|(time, _)| *time <= after);
        }
        cursor.histograms = (first, last);
        let (float_starts, histogram_starts) = match &self.starts {
            Some(starts) => (&starts.floats[low..high], &starts.histograms[first..last]),
            None => (&[][..], &[][..]),
        };
        let runs = self.runs;
        let runs = &runs[runs.partition_point(|run| run.start_ms <= after)..];
        Window {
            times: &self.times[low..high],
            values: &self.values[low..high],
            histograms: &histograms[first..last],
            runs: &runs[..runs.partition_point(|run| run.end_ms <= until)],
            float_starts,
            histogram_starts,
            first_float: low,
            start: after,
            end: until,
            now: until,
        }
    }
}

#[derive(Default)]
struct WindowCursor {
    floats: (usize, usize),
    histograms: (usize, usize),
}

/// What a function reads: the points of each series, and where the window of a step ends.
struct Input<'a> {
    points: Vec<Points<'a>>,
    range: i64,
    offset: i64,
    at: Option<i64>,
    extension: Option<Extension>,
}

impl Evaluator<'_> {
    /// A function with a range vector among its arguments.
    pub(super) fn call_range(
        &self,
        name: &'static str,
        args: &[Node],
        matrix: usize,
        call: PositionRange,
    ) -> Result<Vec<Row>> {
        let input = self.range_input(&args[matrix])?;
        let mut parameters = Vec::new();
        for (at, arg) in args.iter().enumerate() {
            if at != matrix && arg.value_type == ValueType::Scalar {
                parameters.push(self.scalar(arg)?);
            }
        }
        check_extension(name, input.extension)?;
        let Some(function) = over_time::function(name) else {
            return failure(format!("unexpected function {name} of a range vector"));
        };
        // Where a message is about the function's argument, it is about the first one.
        let first = place(&args[0]);
        let position = if matches!(name, "irate" | "idelta") {
            args.last()
                .map_or(first, |last| PositionRange::merge(first, place(last)))
        } else {
            first
        };
        let values_each = self.steps() + input.points.first().map_or(0, |points| points.values.len());
        let mut rows = self.in_pieces(&input.points, values_each, |evaluator, points| {
            let mut context = Context {
                evaluator,
                function: name,
                position,
                metric: String::new(),
                range: input.range,
                extension: input.extension,
                parameters: Vec::with_capacity(parameters.len()),
                call,
            };
            let mut rows = Vec::with_capacity(points.len());
            for points in points {
                evaluator.check_interrupt()?;
                let row = evaluator.evaluate_series(points, &input, &parameters, &function, &mut context)?;
                if matches!(name, "rate" | "increase") && row.floats.iter().any(|value| !super::is_absent(*value)) {
                    evaluator.note_non_counter(&points.labels, first);
                }
                if !row.is_empty() {
                    evaluator.charge(row.sample_count())?;
                    rows.push(row);
                }
            }
            Ok(rows)
        })?;
        if name == "absent_over_time" {
            return self.absent_rows(&rows, &args[matrix]);
        }
        let keeps_name = matches!(name, "last_over_time" | "first_over_time");
        for row in &mut rows {
            self.check_interrupt()?;
            if !keeps_name || row.drop_name {
                self.drop_name(row);
            }
        }
        self.refuse_same_labels(rows)
    }

    fn evaluate_series(
        &self,
        points: &Points<'_>,
        input: &Input<'_>,
        parameters: &[Vec<f64>],
        function: &RangeFunction,
        context: &mut Context<'_>,
    ) -> Result<Row> {
        let steps = self.steps();
        let mut row = Row::new(points.labels.clone(), points.drop_name, steps);
        context.metric.clear();
        context.metric.push_str(points.labels.metric_name().unwrap_or_default());
        let lookback = self.options().lookback_delta_ms;
        let (before, after) = match input.extension {
            None => (0, 0),
            Some(Extension::Anchored) => (lookback, 0),
            Some(Extension::Smoothed) => (lookback, lookback),
        };
        let mut cursor = WindowCursor::default();
        let prepared = function.prepare(points, steps);
        for step in 0..steps {
            self.check_interrupt()?;
            let now = self.grid.time(step);
            let end = input.at.unwrap_or(now).saturating_sub(input.offset);
            let start = end.saturating_sub(input.range);
            let mut window = points.window(&mut cursor, start.saturating_sub(before), end.saturating_add(after));
            if window.times.is_empty() && window.histograms.is_empty() && window.runs.is_empty() {
                continue;
            }
            (window.start, window.end, window.now) = (start, end, now);
            self.check_samples(window.times.len() + window.histograms.len() + window.runs.len())?;
            context.parameters.clear();
            context.parameters.extend(parameters.iter().map(|values| values[step]));
            match function.evaluate(&prepared, context, &window)? {
                Some(Computed::Float(value)) => row.floats[step] = value,
                Some(value) => row.set(step, value),
                None => {}
            }
        }
        Ok(row)
    }

    fn range_input<'s>(&'s self, node: &'s Node) -> Result<Input<'s>> {
        match &node.kind {
            Kind::Range(range) => {
                let selector = &range.selector;
                let around = match selector.extension {
                    None => 0,
                    Some(_) => self.options().lookback_delta_ms,
                };
                let last_step = self.grid.time(self.steps().saturating_sub(1));
                let first = selector.reference(self.grid.start).saturating_sub(range.range);
                let times = (
                    first.saturating_sub(around),
                    selector.reference(last_step).saturating_add(around),
                );
                let mut points = Vec::new();
                for (at, series) in self.fetched(selector.source).iter().enumerate() {
                    self.check_interrupt()?;
                    let starts = self.starts(selector.source, at);
                    points.push(Points {
                        runs: self.runs(selector.source, at),
                        ..Points::within(series, times, selector.statistics, starts)
                    });
                }
                let (offset, at, extension) = (selector.offset, selector.at, selector.extension);
                Ok(Input {
                    points,
                    range: range.range,
                    offset,
                    at,
                    extension,
                })
            }
            Kind::Subquery(subquery) => {
                let points = self.subquery_points(subquery)?;
                let (range, offset, at) = (subquery.range, subquery.offset, subquery.at);
                Ok(Input {
                    points,
                    range,
                    offset,
                    at,
                    extension: None,
                })
            }
            _ => failure("expected a range vector"),
        }
    }

    fn note_non_counter(&self, labels: &Labels, position: PositionRange) {
        let Some(name) = labels.metric_name() else { return };
        let name_quoted = || parapet_model::quote(name);
        if self.options().type_and_unit_labels {
            let kind = labels.get("__type__").unwrap_or_default();
            if kind != "counter" && kind != "histogram" {
                let text = format!(
                    "metric might not be a counter, __type__ label is not set to \"counter\" or \"histogram\", got {}: {}",
                    parapet_model::quote(kind),
                    name_quoted()
                );
                self.note(position, text);
            }
        } else if !["_total", "_sum", "_count", "_bucket"]
            .iter()
            .any(|suffix| name.ends_with(suffix))
        {
            let text = format!(
                "metric might not be a counter, name does not end in _total/_sum/_count/_bucket: {}",
                name_quoted()
            );
            self.note(position, text);
        }
    }

    /// A range vector as the whole answer: its points at the first step.
    pub(super) fn select_range(&self, range: &Range) -> Result<Vec<Series>> {
        let selector = &range.selector;
        let end = selector.reference(self.grid.start);
        let start = end.saturating_sub(range.range);
        let lookback = self.options().lookback_delta_ms;
        let mut answer = Vec::new();
        for series in self.fetched(selector.source) {
            self.check_interrupt()?;
            let points = Points::of_series(series, false, None);
            let (before, after) = match selector.extension {
                None => (0, 0),
                Some(Extension::Anchored) => (lookback, 0),
                Some(Extension::Smoothed) => (lookback, lookback),
            };
            let (low, high) = (start.saturating_sub(before), end.saturating_add(after));
            let window = points.window(&mut WindowCursor::default(), low, high);
            self.charge(window.times.len() + window.histograms.len())?;
            let (timestamps, values) = match selector.extension {
                None => (window.times.to_vec(), window.values.to_vec()),
                Some(extension) => {
                    if !window.histograms.is_empty() {
                        let name = if extension == Extension::Anchored {
                            "anchored"
                        } else {
                            "smoothed"
                        };
                        return failure(format!("{name} modifier is not supported with histograms"));
                    }
                    over_time::extend(window.times, window.values, start, end, extension)
                }
            };
            let histograms = window.histograms.to_vec();
            if !timestamps.is_empty() || !histograms.is_empty() {
                answer.push(Series {
                    labels: series.labels.clone(),
                    timestamps,
                    values,
                    histograms,
                });
            }
        }
        Ok(answer)
    }
}

/// Where an argument stands for messages: Prometheus forgets the place of a subquery once it has its points.
fn place(arg: &Node) -> PositionRange {
    match super::call::bare(arg).kind {
        Kind::Subquery(_) => PositionRange::at(" ", 0),
        _ => arg.position,
    }
}

fn check_extension(name: &str, extension: Option<Extension>) -> Result<()> {
    let (modifier, allowed) = match extension {
        None => return Ok(()),
        Some(Extension::Anchored) => ("anchored", &["changes", "delta", "increase", "rate", "resets"][..]),
        Some(Extension::Smoothed) => ("smoothed", &["delta", "increase", "rate"][..]),
    };
    if allowed.contains(&name) {
        return Ok(());
    }
    failure(format!(
        "{modifier} modifier can only be used with: {} - not with {name}",
        allowed.join(", ")
    ))
}
