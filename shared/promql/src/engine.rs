//! Evaluation: each node of the plan is answered for all steps at once, series by series.

mod aggregate;
mod binary;
mod call;
mod info;
mod instant;
mod interrupt;
mod merge;
mod parallel;
mod range;
mod rows;
mod smooth;
mod sort;
mod subquery;

pub(crate) use range::Points;
pub(crate) use rows::{
    ABSENT, Computed, Evaluated, Grid, Point, Row, in_braces, is_absent, is_metadata, push_label, stored,
    without_metadata,
};

use crate::annotations::Annotations;
use crate::ast::{Expr, PositionRange, ValueType};
use crate::deep::{SHALLOW, on_large_stack};
use crate::error::EvaluationError;
use crate::plan::{Kind, Node, Plan};
use crate::query::{Answer, Beside, Options, QueryRange, QueryValue, Selector, StartTimestamps};
use parapet_model::{Run, Series};
use std::borrow::Borrow;
use std::cell::{Cell, RefCell, RefMut};

/// What to fetch for a query, and for which times; [`evaluate`] wants an answer for each, in the same order.
///
/// Empty where the query selects nothing, and where it is one that [`evaluate`] refuses.
#[must_use]
pub fn selectors(expr: &Expr, range: &QueryRange, options: &Options) -> Vec<Selector> {
    let selectors = || {
        Plan::new(expr, range, options)
            .map(|plan| plan.selectors)
            .unwrap_or_default()
    };
    if expr.is_deeper_than(SHALLOW) {
        on_large_stack(selectors).unwrap_or_default()
    } else {
        selectors()
    }
}

/// Answers a query over fetched series: `fetched[i]` answers `selectors(…)[i]`. Samples outside the times asked for
/// do no harm; the series of one selector must differ in their labels. They may be given as references: nothing is
/// copied of them but what the answer holds.
///
/// # Errors
/// [`EvaluationError`]: the query is refused, the data does not allow it, or a limit is reached.
pub fn evaluate<S: Borrow<Series>>(
    expr: &Expr,
    range: &QueryRange,
    options: &Options,
    fetched: &[Vec<S>],
) -> Result<Answer, EvaluationError> {
    evaluate_beside(expr, range, options, fetched, Beside::default())
}

/// [`evaluate`] with what is known beside the samples.
///
/// # Errors
/// As [`evaluate`].
pub fn evaluate_beside<S: Borrow<Series>>(
    expr: &Expr,
    range: &QueryRange,
    options: &Options,
    fetched: &[Vec<S>],
    beside: Beside<'_>,
) -> Result<Answer, EvaluationError> {
    let fetched: Vec<Vec<&Series>> = fetched
        .iter()
        .map(|series| series.iter().map(Borrow::borrow).collect())
        .collect();
    let answer = || evaluate_here(expr, range, options, &fetched, beside);
    if !expr.is_deeper_than(SHALLOW) {
        return answer();
    }
    on_large_stack(answer).unwrap_or_else(|| failure("no memory for a query nested so deeply"))
}

fn evaluate_here(
    expr: &Expr,
    range: &QueryRange,
    options: &Options,
    fetched: &[Vec<&Series>],
    beside: Beside<'_>,
) -> Result<Answer> {
    let value_type = expr.value_type();
    let instant = range.is_instant();
    if !instant {
        if value_type != ValueType::Vector && value_type != ValueType::Scalar {
            return Err(EvaluationError::Invalid(format!(
                "invalid expression type {} for range query, must be Scalar or instant Vector",
                parapet_model::quote(value_type.documented())
            )));
        }
        if range.step_ms <= 0 {
            return Err(EvaluationError::Invalid(
                "the step of a range query must be above zero".to_owned(),
            ));
        }
    }
    let plan = Plan::new(expr, range, options)?;
    let shared = Shared::new(options, fetched, beside);
    let step = if instant { 1 } else { range.step_ms };
    let grid = Grid {
        start: range.start_ms,
        end: range.end_ms,
        step,
    };
    let evaluator = Evaluator { shared: &shared, grid };
    evaluator.check_steps()?;
    let evaluated = evaluator.eval(&plan.root)?;
    let value = evaluator.finish(evaluated, instant)?;
    let (warnings, infos) = shared.annotations.into_inner().into_texts();
    Ok(Answer { value, warnings, infos })
}

/// What holds for the whole query.
pub(crate) struct Shared<'a> {
    options: &'a Options,
    fetched: &'a [Vec<&'a Series>],
    beside: Beside<'a>,
    annotations: RefCell<Annotations>,
    /// Samples in memory.
    samples: Cell<usize>,
}

impl<'a> Shared<'a> {
    fn new(options: &'a Options, fetched: &'a [Vec<&'a Series>], beside: Beside<'a>) -> Self {
        Self {
            options,
            fetched,
            beside,
            annotations: RefCell::default(),
            samples: Cell::new(0),
        }
    }
}

/// Answers nodes for one grid of times.
#[derive(Clone, Copy)]
pub(crate) struct Evaluator<'a> {
    shared: &'a Shared<'a>,
    pub(crate) grid: Grid,
}

pub(crate) type Result<T, E = EvaluationError> = std::result::Result<T, E>;

/// An error of the data, with a message.
pub(crate) fn failure<T>(message: impl Into<String>) -> Result<T> {
    Err(EvaluationError::Execution(message.into()))
}

impl<'a> Evaluator<'a> {
    /// The same query at other times.
    pub(crate) fn at(&self, grid: Grid) -> Self {
        Self { grid, ..*self }
    }

    pub(crate) fn options(&self) -> &'a Options {
        self.shared.options
    }

    pub(crate) fn notes(&self) -> RefMut<'_, Annotations> {
        self.shared.annotations.borrow_mut()
    }

    pub(crate) fn fetched(&self, source: usize) -> &'a [&'a Series] {
        self.shared.fetched.get(source).map(Vec::as_slice).unwrap_or_default()
    }

    pub(crate) fn starts(&self, source: usize, series: usize) -> Option<&'a StartTimestamps> {
        if !self.options().use_start_timestamps {
            return None;
        }
        self.shared.beside.starts.get(source)?.get(series)
    }

    pub(crate) fn runs(&self, source: usize, series: usize) -> &'a [Run] {
        let of_source = self.shared.beside.runs.get(source);
        of_source
            .and_then(|all| all.get(series))
            .map(Vec::as_slice)
            .unwrap_or_default()
    }

    /// Whether names are dropped at the end alone.
    pub(crate) fn delays_names(&self) -> bool {
        self.options().delayed_name_removal
    }

    /// A metric's name for a message that comes after the name is dropped.
    pub(crate) fn steps(&self) -> usize {
        self.grid.len()
    }

    /// A grid of more steps than samples are allowed cannot be answered, nor held.
    pub(crate) fn check_steps(&self) -> Result<()> {
        if self.steps() > self.options().max_samples {
            Err(EvaluationError::TooManySamples)
        } else {
            Ok(())
        }
    }

    /// Counts samples that are now in memory.
    pub(crate) fn charge(&self, samples: usize) -> Result<()> {
        let total = self.shared.samples.get().saturating_add(samples);
        if total > self.options().max_samples {
            return Err(EvaluationError::TooManySamples);
        }
        self.shared.samples.set(total);
        Ok(())
    }

    /// Fails where so many samples more would be too many, without counting them.
    pub(crate) fn check_samples(&self, samples: usize) -> Result<()> {
        if self.shared.samples.get().saturating_add(samples) > self.options().max_samples {
            return Err(EvaluationError::TooManySamples);
        }
        Ok(())
    }

    /// Runs an evaluation whose inputs are released when it is done: only its output stays counted.
    pub(crate) fn eval(&self, node: &Node) -> Result<Evaluated> {
        self.check_interrupt()?;
        if self.grid.end < self.grid.start {
            return Ok(match node.value_type {
                ValueType::Scalar => Evaluated::Scalar(Vec::new()),
                _ => Evaluated::Vector(Vec::new()),
            });
        }
        let before = self.shared.samples.get();
        let evaluated = self.eval_uncounted(node)?;
        self.shared.samples.set(before);
        match &evaluated {
            Evaluated::Scalar(values) => self.charge(values.len())?,
            Evaluated::Vector(rows) => {
                for row in rows {
                    self.check_interrupt()?;
                    self.charge(row.sample_count())?;
                }
            }
            Evaluated::Matrix(series) => {
                for series in series {
                    let histograms = series.histograms.iter();
                    let histograms: usize = histograms.map(|(_, one)| rows::histogram_samples(one)).sum();
                    self.charge(series.values.len() + histograms)?;
                }
            }
            Evaluated::Text(_) => {}
        }
        Ok(evaluated)
    }

    fn eval_uncounted(&self, node: &Node) -> Result<Evaluated> {
        match &node.kind {
            Kind::Number(value) => Ok(Evaluated::Scalar(vec![*value; self.steps()])),
            Kind::Text(text) => Ok(Evaluated::Text(text.value.clone())),
            Kind::Instant(instant) => self.select(instant, node.position).map(Evaluated::Vector),
            Kind::Range(range) => self.select_range(range).map(Evaluated::Matrix),
            Kind::Subquery(subquery) => self.subquery_series(subquery).map(Evaluated::Matrix),
            Kind::Call { function, args, info } => self.call(function, args, info.as_ref(), node.position),
            Kind::Aggregate { .. } => self.aggregate(node).map(Evaluated::Vector),
            Kind::Binary {
                op,
                lhs,
                rhs,
                matching,
                return_bool,
            } => {
                let operation = binary::Operation {
                    op: *op,
                    return_bool: *return_bool,
                    position: node.position,
                };
                self.binary(&operation, lhs, rhs, matching.as_ref())
            }
            Kind::Negate(operand) => self.negate(operand),
            Kind::Once(inner) => self.once(inner),
        }
    }

    /// A node's scalar at each step.
    pub(crate) fn scalar(&self, node: &Node) -> Result<Vec<f64>> {
        match self.eval(node)? {
            Evaluated::Scalar(values) => Ok(values),
            other => unexpected(&other),
        }
    }

    /// A node's rows.
    pub(crate) fn vector(&self, node: &Node) -> Result<Vec<Row>> {
        match self.eval(node)? {
            Evaluated::Vector(rows) => Ok(rows),
            other => unexpected(&other),
        }
    }

    /// Evaluates at the first step, and repeats the answer at each.
    fn once(&self, node: &Node) -> Result<Evaluated> {
        let evaluated = self.at(self.grid.first()).eval(node)?;
        let steps = self.steps();
        Ok(match evaluated {
            Evaluated::Scalar(values) => Evaluated::Scalar(vec![values[0]; steps]),
            Evaluated::Vector(mut rows) if steps > 1 => {
                self.check_samples(rows.len().saturating_mul(steps))?;
                for row in &mut rows {
                    self.check_interrupt()?;
                    row.floats = vec![row.floats[0]; steps];
                    if let Some(histogram) = row.histograms.first().cloned() {
                        row.histograms = vec![histogram; steps];
                    }
                }
                Evaluated::Vector(rows)
            }
            other => other,
        })
    }

    fn negate(&self, node: &Node) -> Result<Evaluated> {
        Ok(match self.eval(node)? {
            Evaluated::Scalar(mut values) => {
                values.iter_mut().for_each(|value| *value = -*value);
                Evaluated::Scalar(values)
            }
            Evaluated::Vector(mut rows) => {
                for row in &mut rows {
                    self.check_interrupt()?;
                    for value in &mut row.floats {
                        if !is_absent(*value) {
                            *value = -*value;
                        }
                    }
                    for histogram in row.histograms.iter_mut().flatten() {
                        let mut negated = (**histogram).clone();
                        crate::histogram::multiply(&mut negated, -1.0);
                        *histogram = negated.into();
                    }
                    self.drop_name(row);
                }
                Evaluated::Vector(if self.delays_names() {
                    rows
                } else {
                    self.merge_same_labels(rows)?
                })
            }
            other => other,
        })
    }

    /// Takes the metric's name from a row, now or, where that is delayed, at the end.
    pub(crate) fn drop_name(&self, row: &mut Row) {
        row.drop_name = true;
        if !self.delays_names() {
            row.labels = without_metadata(&row.labels);
        }
    }

    /// The answer in the form that the query wants.
    fn finish(&self, evaluated: Evaluated, instant: bool) -> Result<QueryValue> {
        let timestamp_ms = self.grid.start;
        let rows = match evaluated {
            Evaluated::Text(value) => return Ok(QueryValue::String { timestamp_ms, value }),
            Evaluated::Matrix(mut series) => {
                self.sort(&mut series, |a, b| a.labels.cmp(&b.labels))?;
                return Ok(QueryValue::Matrix(series));
            }
            Evaluated::Scalar(values) if instant => {
                let value = values.first().copied().unwrap_or(f64::NAN);
                return Ok(QueryValue::Scalar { timestamp_ms, value });
            }
            Evaluated::Scalar(floats) => vec![Row {
                floats,
                ..Row::new(Default::default(), false, 0)
            }],
            Evaluated::Vector(rows) if self.delays_names() => self.drop_delayed_names(rows)?,
            Evaluated::Vector(rows) => rows,
        };
        if instant {
            let samples = rows
                .into_iter()
                .filter_map(|row| row.into_sample(timestamp_ms))
                .collect();
            return Ok(QueryValue::Vector(samples));
        }
        let mut series: Vec<Series> = Vec::with_capacity(rows.len());
        for row in rows.into_iter().filter(|row| !row.is_empty()) {
            self.check_interrupt()?;
            series.push(row.into_series(&self.grid));
        }
        self.sort(&mut series, |a, b| a.labels.cmp(&b.labels))?;
        Ok(QueryValue::Matrix(series))
    }

    fn drop_delayed_names(&self, mut rows: Vec<Row>) -> Result<Vec<Row>> {
        for row in &mut rows {
            self.check_interrupt()?;
            if row.drop_name {
                row.labels = without_metadata(&row.labels);
            }
        }
        self.merge_same_labels(rows)
    }

    pub(crate) fn warn(&self, position: PositionRange, text: impl Into<String>) {
        self.notes().warn(position, text);
    }

    pub(crate) fn note(&self, position: PositionRange, text: impl Into<String>) {
        self.notes().info(position, text);
    }
}

/// The type check lets this not happen.
fn unexpected<T>(evaluated: &Evaluated) -> Result<T> {
    failure(format!("unexpected value in evaluation: {evaluated:?}"))
}

/// Go's `math.Min`: minus infinity where either is, else NaN where either is.
#[allow(clippy::float_cmp)]
pub(crate) fn go_min(a: f64, b: f64) -> f64 {
    if a == f64::NEG_INFINITY || b == f64::NEG_INFINITY {
        f64::NEG_INFINITY
    } else if a.is_nan() || b.is_nan() {
        f64::NAN
    } else {
        a.min(b)
    }
}

/// Go's `math.Max`: infinity where either is, else NaN where either is.
pub(crate) fn go_max(a: f64, b: f64) -> f64 {
    -go_min(-a, -b)
}

/// Go's `math.Mod`: the sign of the dividend.
pub(crate) fn modulo(a: f64, b: f64) -> f64 {
    a % b
}
