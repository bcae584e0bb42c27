//! Answers queries from records.

mod aggregate;
mod binary;
mod lines;
mod over_time;
mod range;

use super::ast::{Expr, MetricExpr};
use super::hints::named;
use super::plan::{Selection, plan, ranges};
use crate::{LogRecord, discover};
use lines::Lines;
use parapet_model::{Labels, anchored_regex, expand_go};
use range::RangeSeries;

/// Which entries a limit keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// The latest, and the latest first.
    #[default]
    Backward,
    /// The earliest, and the earliest first.
    Forward,
}

/// When and how a query is evaluated.
#[derive(Clone, Copy, Debug)]
pub struct Parameters {
    /// The first time, nanoseconds since the Unix epoch.
    pub start_ns: i64,
    /// The last time; not itself part of a range of lines. The same as the first for an instant query.
    pub end_ns: i64,
    /// From one point of a metric query to the next, nanoseconds; 0 for an instant query.
    pub step_ns: i64,
    /// The most entries that a query of lines answers.
    pub limit: usize,
    /// Which of them.
    pub direction: Direction,
    /// Whether streams are told by their own labels alone, and each entry tells its other ones.
    pub categorize: bool,
    /// The time of asking, for templates.
    pub now_ns: i64,
    /// The most series that a metric query may have.
    pub max_series: usize,
    /// The most samples that a metric query may hold.
    pub max_samples: usize,
    /// The most points of a series.
    pub max_points: usize,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            start_ns: 0,
            end_ns: 0,
            step_ns: 0,
            limit: 100,
            direction: Direction::Backward,
            categorize: false,
            now_ns: 0,
            max_series: 10_000,
            max_samples: 50_000_000,
            max_points: 11_000,
        }
    }
}

/// A query that cannot be answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum EvaluationError {
    /// A stage failed on a line, and nothing takes the line out.
    #[error(
        "pipeline error: '{error}' for series: '{labels}'.\nUse a label filter to intentionally skip this error. (e.g | __error__!=\"{error}\").\nTo skip all potential errors you can match empty errors.(e.g __error__=\"\")\nThe label filter can also be specified after unwrap. (e.g | unwrap latency | __error__=\"\" )\n"
    )]
    Pipeline {
        /// `JSONParserErr` and its kin.
        error: String,
        /// The labels of the line.
        labels: String,
    },
    /// A limit was passed; says which.
    #[error("{0}")]
    Limit(String),
    /// Series that an operator cannot bring together.
    #[error("{0}")]
    Matching(String),
    /// A query that does not make sense in this way.
    #[error("{0}")]
    Invalid(String),
}

/// An entry of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Its time, nanoseconds since the Unix epoch.
    pub timestamp_ns: i64,
    /// The line, as the stages left it.
    pub line: String,
    /// What was known of the record beside its stream's labels, where that was asked for
    /// ([`Parameters::categorize`]): Loki's structured metadata.
    pub metadata: Labels,
    /// What stages found, where that was asked for.
    pub parsed: Labels,
}

/// Lines with the same labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// The labels.
    pub labels: Labels,
    /// The entries, in the order that the direction says.
    pub entries: Vec<Entry>,
}

/// A value of a series.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The labels of the series.
    pub labels: Labels,
    /// The value.
    pub value: f64,
}

/// The values of a series.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// The labels.
    pub labels: Labels,
    /// Times in nanoseconds since the Unix epoch, and values.
    pub points: Vec<(i64, f64)>,
}

/// The answer to a query.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// Lines.
    Streams(Vec<Stream>),
    /// The values at one time.
    Vector(Vec<Sample>),
    /// The values at several times.
    Matrix(Vec<Series>),
    /// A number.
    Scalar(f64),
}

/// A query being evaluated: it is given records, one after another, and answers in the end. It holds what the answer
/// needs and not more: of lines, as many as the limit; of metric queries, a number for each line.
#[derive(Clone, Debug)]
pub struct Evaluation {
    parameters: Parameters,
    selections: Vec<Selection>,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Lines(Lines),
    Metric { expr: MetricExpr, ranges: Vec<RangeSeries> },
}

impl Evaluation {
    /// Begins to evaluate a query.
    ///
    /// # Errors
    /// A query with too many points, or one that cannot be evaluated.
    pub fn new(expr: &Expr, parameters: Parameters) -> Result<Self, EvaluationError> {
        if parameters.end_ns < parameters.start_ns {
            return Err(EvaluationError::Invalid(
                "end timestamp must not be before start time".to_owned(),
            ));
        }
        if parameters.step_ns > 0 {
            let points = (parameters.end_ns - parameters.start_ns) / parameters.step_ns;
            if usize::try_from(points).unwrap_or(usize::MAX) >= parameters.max_points {
                return Err(EvaluationError::Limit(format!(
                    "exceeded maximum resolution of {} points per time series. Try increasing the value of the step parameter",
                    parameters.max_points
                )));
            }
        }
        let invalid = EvaluationError::Invalid;
        let what = match expr {
            Expr::Log(log) => What::Lines(Lines::new(log, &parameters).map_err(invalid)?),
            Expr::Metric(metric) => {
                let mut expr = metric.clone();
                sum_early(&mut expr);
                let named = named(&expr);
                let of_ranges = ranges(&expr).into_iter().map(|range| RangeSeries::new(range, &named));
                What::Metric {
                    ranges: of_ranges.collect::<Result<_, _>>().map_err(invalid)?,
                    expr,
                }
            }
        };
        Ok(Self {
            selections: plan(expr, &parameters),
            parameters,
            what,
        })
    }

    /// What is needed, as [`plan`] says.
    #[must_use]
    pub fn selections(&self) -> &[Selection] {
        &self.selections
    }

    /// Gives a record for one of the selections. Records may come in any order; those that the selection does not want
    /// are left out.
    ///
    /// # Errors
    /// A stage that fails on a line in a metric query, or a limit.
    ///
    /// # Panics
    /// When there is no such selection.
    pub fn push(&mut self, selection: usize, record: &LogRecord) -> Result<(), EvaluationError> {
        let wanted = &self.selections[selection];
        let time = record.timestamp_ns;
        if time < wanted.start_ns
            || time > wanted.end_ns
            || !wanted.matchers.iter().all(|matcher| discover::matches(matcher, record))
        {
            return Ok(());
        }
        match &mut self.what {
            What::Lines(lines) => {
                lines.push(record, self.parameters.now_ns);
                Ok(())
            }
            What::Metric { ranges, .. } => {
                let range = &mut ranges[selection];
                match range.kind(record, &self.parameters)? {
                    Some((labels, value)) => range.add(labels, time, value, &self.parameters),
                    None => Ok(()),
                }
            }
        }
    }

    /// The labels of the series that a record counts for, of a selection that counts records alone
    /// ([`Selection::steps`]); `None` where it counts for none. It must be one that the selection wants.
    ///
    /// # Errors
    /// As [`Self::push`].
    ///
    /// # Panics
    /// When there is no such selection.
    pub fn counts_for(&self, selection: usize, record: &LogRecord) -> Result<Option<Labels>, EvaluationError> {
        match &self.what {
            What::Lines(_) => Ok(None),
            What::Metric { ranges, .. } => {
                let kind = ranges[selection].kind(record, &self.parameters)?;
                Ok(kind.map(|(labels, _)| labels))
            }
        }
    }

    /// Gives records by their numbers: `counts` has a time within one of [`Selection::steps`], and how many records of
    /// that step count for these labels, as [`Self::counts_for`] told.
    ///
    /// # Errors
    /// As [`Self::push`].
    ///
    /// # Panics
    /// When there is no such selection.
    #[allow(clippy::cast_precision_loss)]
    pub fn add(&mut self, selection: usize, labels: &Labels, counts: &[(i64, u64)]) -> Result<(), EvaluationError> {
        if let What::Metric { ranges, .. } = &mut self.what {
            for (time_ns, records) in counts {
                ranges[selection].add(labels.clone(), *time_ns, *records as f64, &self.parameters)?;
            }
        }
        Ok(())
    }

    /// The time beyond which no record matters any more: with [`Direction::Backward`] none before it, with
    /// [`Direction::Forward`] none after it. `None` as long as all do.
    #[must_use]
    pub fn bound_ns(&self) -> Option<i64> {
        match &self.what {
            What::Lines(lines) => lines.bound_ns(),
            What::Metric { .. } => None,
        }
    }

    /// The answer.
    ///
    /// # Errors
    /// Series that cannot be brought together, or a limit.
    pub fn finish(self) -> Result<Answer, EvaluationError> {
        match self.what {
            What::Lines(lines) => Ok(Answer::Streams(lines.finish())),
            What::Metric { expr, mut ranges } => {
                ranges.iter_mut().for_each(RangeSeries::sort);
                answer(&expr, &ranges, &self.parameters)
            }
        }
    }
}

/// A sum over series of which each is a sum over lines is one over all the lines: lines are added to the series of the
/// sum at once. Where every line has a trace of its own, there would be as many series as lines otherwise.
fn sum_early(expr: &mut MetricExpr) {
    match expr {
        MetricExpr::Vector {
            function,
            inner,
            grouping,
            ..
        } => {
            if let MetricExpr::Range(range) = &mut **inner
                && function == "sum"
                && range.grouping.is_none()
                && matches!(
                    range.function.as_str(),
                    "count_over_time" | "rate" | "bytes_over_time" | "bytes_rate" | "sum_over_time"
                )
            {
                range.grouping = Some(grouping.clone().unwrap_or_default());
            }
            sum_early(inner);
        }
        MetricExpr::LabelReplace { inner, .. } => sum_early(inner),
        MetricExpr::Binary { left, right, .. } => {
            sum_early(left);
            sum_early(right);
        }
        MetricExpr::Range(_) | MetricExpr::Literal(_) | MetricExpr::Constant(_) => {}
    }
}

/// A value while an expression is evaluated.
#[derive(Clone, Debug)]
enum Value {
    Scalar(f64),
    Vector(Vec<Sample>),
}

fn answer(expr: &MetricExpr, ranges: &[RangeSeries], parameters: &Parameters) -> Result<Answer, EvaluationError> {
    if parameters.step_ns == 0 {
        return Ok(match evaluate(expr, ranges, &mut 0, parameters.end_ns)? {
            Value::Scalar(number) => Answer::Scalar(number),
            Value::Vector(mut samples) => {
                let ordered = matches!(expr, MetricExpr::Vector { function, .. } if function.starts_with("sort"));
                if !ordered {
                    samples.sort_by(|a, b| a.labels.cmp(&b.labels));
                }
                check_series(samples.len(), parameters)?;
                Answer::Vector(samples)
            }
        });
    }
    let mut series: std::collections::BTreeMap<Labels, Vec<(i64, f64)>> = std::collections::BTreeMap::new();
    let mut time = parameters.start_ns;
    while time <= parameters.end_ns {
        let samples = match evaluate(expr, ranges, &mut 0, time)? {
            Value::Scalar(value) => vec![Sample {
                labels: Labels::empty(),
                value,
            }],
            Value::Vector(samples) => samples,
        };
        for sample in samples {
            series.entry(sample.labels).or_default().push((time, sample.value));
        }
        check_series(series.len(), parameters)?;
        time = time.saturating_add(parameters.step_ns);
    }
    let series = series.into_iter().map(|(labels, points)| Series { labels, points });
    Ok(Answer::Matrix(series.collect()))
}

fn check_series(count: usize, parameters: &Parameters) -> Result<(), EvaluationError> {
    if count > parameters.max_series {
        return Err(EvaluationError::Limit(format!(
            "maximum number of series ({}) reached for a single query; consider reducing query cardinality by adding more \
             specific stream selectors, reducing the time range, or aggregating results with functions like sum(), count() or \
             topk()",
            parameters.max_series
        )));
    }
    Ok(())
}

/// Evaluates an expression at a time; `next` counts the aggregations over time as they stand.
fn evaluate(
    expr: &MetricExpr,
    ranges: &[RangeSeries],
    next: &mut usize,
    time_ns: i64,
) -> Result<Value, EvaluationError> {
    Ok(match expr {
        MetricExpr::Literal(number) => Value::Scalar(*number),
        MetricExpr::Constant(value) => Value::Vector(vec![Sample {
            labels: Labels::empty(),
            value: *value,
        }]),
        MetricExpr::Range(_) => {
            let series = &ranges[*next];
            *next += 1;
            Value::Vector(series.at(time_ns))
        }
        MetricExpr::Vector {
            function,
            parameter,
            inner,
            grouping,
        } => {
            let Value::Vector(samples) = evaluate(inner, ranges, next, time_ns)? else {
                return Err(EvaluationError::Invalid(format!(
                    "{function} needs series, not a number"
                )));
            };
            Value::Vector(aggregate::aggregate(function, *parameter, grouping.as_ref(), samples))
        }
        MetricExpr::LabelReplace { inner, arguments } => match evaluate(inner, ranges, next, time_ns)? {
            Value::Vector(samples) => Value::Vector(label_replace(samples, arguments)?),
            scalar @ Value::Scalar(_) => scalar,
        },
        MetricExpr::Binary {
            op,
            return_bool,
            matching,
            left,
            right,
        } => {
            let left = evaluate(left, ranges, next, time_ns)?;
            let right = evaluate(right, ranges, next, time_ns)?;
            binary::binary(op, *return_bool, matching, left, right)?
        }
    })
}

fn label_replace(samples: Vec<Sample>, arguments: &[String; 4]) -> Result<Vec<Sample>, EvaluationError> {
    let [destination, replacement, source, pattern] = arguments;
    let regex = anchored_regex(pattern).map_err(|error| EvaluationError::Invalid(error.to_string()))?;
    let replaced = samples.into_iter().map(|sample| {
        let value = sample.labels.get(source).unwrap_or_default().to_owned();
        match regex.captures(&value) {
            Some(captures) => Sample {
                labels: sample
                    .labels
                    .with(destination, &expand_go(replacement, &regex, &captures)),
                value: sample.value,
            },
            None => sample,
        }
    });
    Ok(replaced.collect())
}
