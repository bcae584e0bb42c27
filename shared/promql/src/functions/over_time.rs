//! Functions of range vectors: what each makes of the window of one step.

mod extended;
mod histograms;
mod irate;
mod rate;
mod regression;
mod runs;
mod sliding;
mod transitions;

pub(crate) use extended::{extend, interpolate, interpolate_histograms};
pub(crate) use histograms::{HistogramError, incompatible_text, reconciled_text};
pub use runs::FUNCTIONS_OF_RUNS;
pub(crate) use runs::of_runs;

use super::math::{Sum, mean, quantile};
use crate::ast::{Extension, PositionRange};
use crate::engine::{Computed, Evaluator, Points, Result, failure};
use crate::error::EvaluationError;
use parapet_model::{Histogram, Run, quote};
use sliding::{Extremes, PrefixSums};
use std::sync::Arc;

/// The points of a series in the window of one step; for `anchored` and `smoothed` also those around it.
#[derive(Clone, Copy)]
pub(crate) struct Window<'w> {
    pub(crate) times: &'w [i64],
    pub(crate) values: &'w [f64],
    pub(crate) histograms: &'w [(i64, Arc<Histogram>)],
    /// What stands for samples before, between or after the floats.
    pub(crate) runs: &'w [Run],
    /// Start timestamps, as many as `times`, or none.
    pub(crate) float_starts: &'w [i64],
    /// Start timestamps, as many as `histograms`, or none.
    pub(crate) histogram_starts: &'w [i64],
    /// Place of the first float among the series' points.
    pub(crate) first_float: usize,
    /// The window is open here.
    pub(crate) start: i64,
    /// And closed here.
    pub(crate) end: i64,
    /// Time of the step.
    pub(crate) now: i64,
}

impl Window<'_> {
    fn is_mixed(&self) -> bool {
        !self.times.is_empty() && !self.histograms.is_empty()
    }
}

/// What a function knows beside the window.
pub(crate) struct Context<'a> {
    pub(crate) evaluator: Evaluator<'a>,
    /// The function's name.
    pub(crate) function: &'static str,
    /// Where the argument stands.
    pub(crate) position: PositionRange,
    /// The metric's name.
    pub(crate) metric: String,
    /// Length of the window, milliseconds.
    pub(crate) range: i64,
    pub(crate) extension: Option<Extension>,
    /// The scalar arguments, in order.
    pub(crate) parameters: Vec<f64>,
    /// Where the call stands.
    #[allow(dead_code)] // Read in messages only.
    pub(crate) call: PositionRange,
}

impl Context<'_> {
    fn warn(&self, text: impl Into<String>) {
        self.evaluator.warn(self.position, text);
    }

    fn note(&self, text: impl Into<String>) {
        self.evaluator.note(self.position, text);
    }

    fn warn_mixed(&self) {
        self.warn(format!(
            "encountered a mix of histograms and floats for metric name {}",
            quote(&self.metric)
        ));
    }

    fn note_ignored_histograms(&self) {
        self.note(format!(
            "ignored histograms in a range containing both floats and histograms for metric name {}",
            quote(&self.metric)
        ));
    }

    #[allow(clippy::cast_precision_loss)]
    fn range_seconds(&self) -> f64 {
        self.range as f64 / 1000.0
    }
}

type Answer = Result<Option<Computed>>;
type Body = fn(&Context<'_>, &Window<'_>) -> Answer;

/// A function of a window.
pub(crate) enum RangeFunction {
    Plain(Body),
    /// A function that need not go through each window, and how it does where it must.
    Sliding(Slide, Body),
    /// `rate`, `increase`, `delta`.
    Rate {
        counter: bool,
        per_second: bool,
    },
}

/// What is computed of overlapping windows without going through each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slide {
    Sum,
    Mean,
    Greatest,
    Least,
}

/// What is found out about a series once, for all steps.
#[derive(Default)]
pub(crate) struct Prepared {
    /// Places of floats below the one before.
    drops: Vec<usize>,
    sums: Option<PrefixSums>,
    extremes: Option<Extremes>,
}

/// Up to so many values a window is gone through: that is quick, and exact.
const SHORT_WINDOW: usize = 16;

impl RangeFunction {
    /// `steps` is how many windows there will be.
    pub(crate) fn prepare(&self, points: &Points<'_>, steps: usize) -> Prepared {
        let slides = steps > 4 && points.values.len() > SHORT_WINDOW;
        match self {
            Self::Rate { counter: true, .. } => {
                let pairs = points.values.windows(2).enumerate();
                let drops = pairs
                    .filter(|(_, pair)| pair[1] < pair[0])
                    .map(|(at, _)| at + 1)
                    .collect();
                Prepared {
                    drops,
                    ..Prepared::default()
                }
            }
            Self::Sliding(Slide::Sum | Slide::Mean, _) if slides => Prepared {
                sums: PrefixSums::new(&points.values),
                ..Prepared::default()
            },
            Self::Sliding(slide, _) if slides => {
                let extremes = Some(Extremes::new(&points.values, *slide == Slide::Greatest));
                Prepared {
                    extremes,
                    ..Prepared::default()
                }
            }
            _ => Prepared::default(),
        }
    }

    pub(crate) fn evaluate(&self, prepared: &Prepared, context: &Context<'_>, window: &Window<'_>) -> Answer {
        if !window.runs.is_empty() {
            return runs::evaluate(context, window);
        }
        match *self {
            Self::Plain(body) => body(context, window),
            Self::Sliding(slide, body) => {
                let count = window.times.len();
                let (from, until) = (window.first_float, window.first_float + count);
                if count <= SHORT_WINDOW || !window.histograms.is_empty() {
                    return body(context, window);
                }
                match (slide, &prepared.sums, &prepared.extremes) {
                    (Slide::Sum, Some(sums), _) => float(sums.between(from, until)),
                    #[allow(clippy::cast_precision_loss)]
                    (Slide::Mean, Some(sums), _) => float(sums.between(from, until) / count as f64),
                    (_, _, Some(extremes)) => float(extremes.between(from, until)),
                    _ => body(context, window),
                }
            }
            Self::Rate { counter, per_second } if context.extension.is_some() => {
                extended::extended_rate(context, window, counter, per_second)
            }
            Self::Rate { counter, per_second } => {
                rate::extrapolated_rate(&prepared.drops, context, window, counter, per_second)
            }
        }
    }
}

/// The function of this name.
pub(crate) fn function(name: &str) -> Option<RangeFunction> {
    let body: Body = match name {
        "rate" => {
            return Some(RangeFunction::Rate {
                counter: true,
                per_second: true,
            });
        }
        "increase" => {
            return Some(RangeFunction::Rate {
                counter: true,
                per_second: false,
            });
        }
        "delta" => {
            return Some(RangeFunction::Rate {
                counter: false,
                per_second: false,
            });
        }
        "irate" => |context, window| irate::instant_value(context, window, true),
        "idelta" => |context, window| irate::instant_value(context, window, false),
        "absent_over_time" | "present_over_time" => |_, _| float(1.0),
        "avg_over_time" => return Some(RangeFunction::Sliding(Slide::Mean, avg_over_time)),
        "changes" => transitions::changes,
        "resets" => transitions::resets,
        "count_over_time" => count_over_time,
        "deriv" => regression::deriv,
        "predict_linear" => regression::predict_linear,
        "double_exponential_smoothing" => regression::double_exponential_smoothing,
        "first_over_time" => first_over_time,
        "last_over_time" => last_over_time,
        "mad_over_time" => mad_over_time,
        "max_over_time" => return Some(RangeFunction::Sliding(Slide::Greatest, max_over_time)),
        "min_over_time" => return Some(RangeFunction::Sliding(Slide::Least, min_over_time)),
        "ts_of_max_over_time" => |context, window| {
            extreme(context, window, |value, best| value >= best || best.is_nan())
                .map(|found| found.map(|(_, time)| time))
        },
        "ts_of_min_over_time" => |context, window| {
            extreme(context, window, |value, best| value <= best || best.is_nan())
                .map(|found| found.map(|(_, time)| time))
        },
        "ts_of_first_over_time" => |_, window| {
            let float_time = window.times.first().copied();
            let histogram_time = window.histograms.first().map(|(time, _)| *time);
            Ok(float_time.into_iter().chain(histogram_time).min().map(time_value))
        },
        "ts_of_last_over_time" => |_, window| {
            let float_time = window.times.last().copied();
            let histogram_time = window.histograms.last().map(|(time, _)| *time);
            Ok(float_time.into_iter().chain(histogram_time).max().map(time_value))
        },
        "quantile_over_time" => quantile_over_time,
        "stddev_over_time" => |context, window| variance(context, window, f64::sqrt),
        "stdvar_over_time" => |context, window| variance(context, window, |variance| variance),
        "sum_over_time" => return Some(RangeFunction::Sliding(Slide::Sum, sum_over_time)),
        _ => return None,
    };
    Some(RangeFunction::Plain(body))
}

#[allow(clippy::unnecessary_wraps)] // The shape of every function's answer.
fn float(value: f64) -> Answer {
    Ok(Some(Computed::Float(value)))
}

#[allow(clippy::cast_precision_loss)]
fn time_value(time: i64) -> Computed {
    Computed::Float(time as f64 / 1000.0)
}

#[allow(clippy::cast_precision_loss)]
fn count_over_time(_: &Context<'_>, window: &Window<'_>) -> Answer {
    float((window.times.len() + window.histograms.len()) as f64)
}

fn sum_over_time(context: &Context<'_>, window: &Window<'_>) -> Answer {
    if window.is_mixed() {
        context.warn_mixed();
        return Ok(None);
    }
    if window.times.is_empty() {
        return Ok(histograms::sum(context, window).map(Computed::Histogram));
    }
    let mut sum = Sum::default();
    window.values.iter().for_each(|value| sum.add(*value));
    float(if sum.value.is_infinite() {
        sum.value
    } else {
        sum.total()
    })
}

fn avg_over_time(context: &Context<'_>, window: &Window<'_>) -> Answer {
    if window.is_mixed() {
        context.warn_mixed();
        return Ok(None);
    }
    if window.times.is_empty() {
        return Ok(histograms::mean(context, window).map(Computed::Histogram));
    }
    float(mean(window.values.iter().copied()))
}

fn first_over_time(_: &Context<'_>, window: &Window<'_>) -> Answer {
    Ok(match (window.times.first(), window.histograms.first()) {
        (Some(float_time), Some((time, histogram))) if time <= float_time => {
            Some(Computed::Histogram(Arc::clone(histogram)))
        }
        (Some(_), _) => Some(Computed::Float(window.values[0])),
        (None, histogram) => histogram.map(|(_, histogram)| Computed::Histogram(Arc::clone(histogram))),
    })
}

fn last_over_time(_: &Context<'_>, window: &Window<'_>) -> Answer {
    Ok(match (window.times.last(), window.histograms.last()) {
        (Some(float_time), Some((time, histogram))) if time >= float_time => {
            Some(Computed::Histogram(Arc::clone(histogram)))
        }
        (Some(_), _) => window.values.last().map(|value| Computed::Float(*value)),
        (None, histogram) => histogram.map(|(_, histogram)| Computed::Histogram(Arc::clone(histogram))),
    })
}

fn max_over_time(context: &Context<'_>, window: &Window<'_>) -> Answer {
    let found = extreme(context, window, |value, best| value > best || best.is_nan())?;
    Ok(found.map(|(value, _)| value))
}

fn min_over_time(context: &Context<'_>, window: &Window<'_>) -> Answer {
    let found = extreme(context, window, |value, best| value < best || best.is_nan())?;
    Ok(found.map(|(value, _)| value))
}

/// The value that beats the others, and its time.
fn extreme(
    context: &Context<'_>,
    window: &Window<'_>,
    beats: impl Fn(f64, f64) -> bool,
) -> Result<Option<(Computed, Computed)>> {
    if window.times.is_empty() {
        return Ok(None);
    }
    if !window.histograms.is_empty() {
        context.note_ignored_histograms();
    }
    let (mut best, mut time) = (window.values[0], window.times[0]);
    for (value, at) in window.values.iter().zip(window.times) {
        if beats(*value, best) {
            (best, time) = (*value, *at);
        }
    }
    Ok(Some((Computed::Float(best), time_value(time))))
}

fn quantile_over_time(context: &Context<'_>, window: &Window<'_>) -> Answer {
    if window.times.is_empty() {
        return Ok(None);
    }
    let q = context.parameters.first().copied().unwrap_or(f64::NAN);
    if !(0.0..=1.0).contains(&q) {
        context.warn(invalid_quantile(q));
    }
    if !window.histograms.is_empty() {
        context.note_ignored_histograms();
    }
    float(quantile(q, &mut window.values.to_vec()))
}

/// The warning about a quantile outside 0 to 1.
pub(crate) fn invalid_quantile(q: f64) -> String {
    format!(
        "quantile value should be between 0 and 1, got {}",
        crate::printer::general(q)
    )
}

/// The median of the distances from the median.
fn mad_over_time(context: &Context<'_>, window: &Window<'_>) -> Answer {
    if window.times.is_empty() {
        return Ok(None);
    }
    if !window.histograms.is_empty() {
        context.note_ignored_histograms();
    }
    if window.values.iter().any(|value| value.is_nan()) {
        return float(f64::NAN);
    }
    let mut values = window.values.to_vec();
    let median = quantile(0.5, &mut values);
    values.iter_mut().for_each(|value| *value = (*value - median).abs());
    float(quantile(0.5, &mut values))
}

fn variance(context: &Context<'_>, window: &Window<'_>, finish: fn(f64) -> f64) -> Answer {
    if window.times.is_empty() {
        return Ok(None);
    }
    if !window.histograms.is_empty() {
        context.note_ignored_histograms();
    }
    let (mut count, mut mean, mut squares) = (0.0, Sum::default(), Sum::default());
    for value in window.values {
        count += 1.0;
        let delta = value - mean.total();
        mean.add(delta / count);
        squares.add(delta * (value - mean.total()));
    }
    float(finish(squares.total() / count))
}

fn refuse<T>(message: String) -> Result<T, EvaluationError> {
    failure(message)
}
