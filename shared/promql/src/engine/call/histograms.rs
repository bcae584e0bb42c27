//! `histogram_quantile`, `histogram_quantiles`, `histogram_fraction`, of native and of classic histograms.

use super::super::{ABSENT, Evaluator, Point, Result, Row};
use super::text;
use crate::annotations::{Monotonicity, with_metric};
use crate::ast::PositionRange;
use crate::functions::classic::{self, Bucket};
use crate::functions::over_time::invalid_quantile;
use crate::histogram;
use crate::plan::Node;
use parapet_model::{Histogram, Labels, parse_float, quote};
use std::collections::HashMap;

const BUCKET: &str = "le";

/// Rows whose labels differ by `le` alone.
struct Group {
    /// Without `le`.
    labels: Labels,
    /// Upper bound and row.
    buckets: Vec<(f64, usize)>,
    /// Rows of native histograms, which have no `le` to tell them apart.
    native: Vec<usize>,
}

/// A histogram of a group at one step.
enum Shape<'a> {
    Native(&'a Histogram),
    Classic(&'a mut Vec<Bucket>),
}

impl Evaluator<'_> {
    pub(super) fn histogram_quantile(&self, args: &[Node]) -> Result<Vec<Row>> {
        let quantiles = self.scalar(&args[0])?;
        for q in &quantiles {
            self.check_quantile(*q, args[0].position);
        }
        let rows = self.vector(&args[1])?;
        let position = args[1].position;
        let answer = self.fold_histograms(&rows, position, |step, shape, metric| {
            self.quantile_of(quantiles[step], step, shape, metric, position)
        })?;
        self.merge_results(answer)
    }

    pub(super) fn histogram_quantiles(&self, args: &[Node]) -> Result<Vec<Row>> {
        let label = text(&args[1]);
        let rows = self.vector(&args[0])?;
        let position = args[0].position;
        let mut answer = Vec::new();
        for arg in &args[2..] {
            let quantiles = self.scalar(arg)?;
            for q in &quantiles {
                self.check_quantile(*q, arg.position);
            }
            let mut distinct = quantiles.clone();
            distinct.sort_unstable_by(f64::total_cmp);
            distinct.dedup_by(|a, b| a.to_bits() == b.to_bits());
            for q in distinct {
                let of = self.fold_histograms(&rows, position, |step, shape, metric| {
                    if quantiles[step].to_bits() != q.to_bits() {
                        return ABSENT;
                    }
                    self.quantile_of(q, step, shape, metric, position)
                })?;
                answer.extend(of.into_iter().map(|row| Row {
                    labels: row.labels.with(label, &openmetrics(q)),
                    ..row
                }));
            }
        }
        self.merge_results(answer)
    }

    pub(super) fn histogram_fraction(&self, args: &[Node]) -> Result<Vec<Row>> {
        let (lower, upper) = (self.scalar(&args[0])?, self.scalar(&args[1])?);
        let rows = self.vector(&args[2])?;
        let position = args[2].position;
        let answer = self.fold_histograms(&rows, position, |step, shape, metric| match shape {
            Shape::Native(histogram) => {
                let (fraction, excludes_nan) = histogram::fraction(lower[step], upper[step], histogram);
                if excludes_nan {
                    let text =
                        "input to histogram_fraction has NaN observations, which are excluded from all fractions";
                    self.note(position, with_metric(text, metric));
                }
                fraction
            }
            Shape::Classic(buckets) => classic::fraction(lower[step], upper[step], buckets),
        })?;
        self.merge_results(answer)
    }

    fn check_quantile(&self, q: f64, position: PositionRange) {
        if !(0.0..=1.0).contains(&q) {
            self.warn(position, invalid_quantile(q));
        }
    }

    fn quantile_of(&self, q: f64, step: usize, shape: Shape<'_>, metric: &str, position: PositionRange) -> f64 {
        match shape {
            Shape::Native(histogram) => {
                let quantile = histogram::quantile(q, histogram);
                if let Some(remark) = quantile.remark {
                    self.note(position, with_metric(remark, metric));
                }
                quantile.value
            }
            Shape::Classic(buckets) => {
                let (value, mended) = classic::quantile(q, buckets);
                if let Some(mended) = mended {
                    let time = self.grid.time(step);
                    let mended = Monotonicity {
                        min_time: time,
                        max_time: time,
                        min_bucket: mended.min_bucket,
                        max_bucket: mended.max_bucket,
                        max_diff: mended.max_diff,
                        more: 0,
                    };
                    self.notes().monotonicity(position, metric, mended);
                }
                value
            }
        }
    }

    /// Computes a float of each histogram at each step.
    fn fold_histograms(
        &self,
        rows: &[Row],
        position: PositionRange,
        mut fold: impl FnMut(usize, Shape<'_>, &str) -> f64,
    ) -> Result<Vec<Row>> {
        let steps = self.steps();
        let groups = self.group_buckets(rows, position)?;
        let mut answer = Vec::new();
        let mut buckets = Vec::new();
        for group in &groups {
            // Names are told of as long as they are there.
            let metric = if self.delays_names() {
                group.labels.metric_name().unwrap_or_default()
            } else {
                ""
            };
            let mut native: Vec<Row> = group
                .native
                .iter()
                .map(|at| Row::new(rows[*at].labels.clone(), true, steps))
                .collect();
            let mut classic = Row::new(group.labels.clone(), true, steps);
            for step in 0..steps {
                self.check_interrupt()?;
                buckets.clear();
                buckets.extend(
                    group
                        .buckets
                        .iter()
                        .filter_map(|(upper_bound, row)| match rows[*row].get(step) {
                            Some(Point::Float(count)) => Some(Bucket {
                                upper_bound: *upper_bound,
                                count,
                            }),
                            _ => None,
                        }),
                );
                let mut conflict = false;
                for (row, out) in group.native.iter().zip(&mut native) {
                    let Some(Point::Histogram(histogram)) = rows[*row].get(step) else {
                        continue;
                    };
                    if !buckets.is_empty() && rows[*row].labels.get(BUCKET).is_none() {
                        let text = with_metric("vector contains a mix of classic and native histograms", metric);
                        self.warn(position, text);
                        conflict = true;
                        continue;
                    }
                    out.floats[step] = fold(step, Shape::Native(histogram), metric);
                }
                if !conflict && !buckets.is_empty() {
                    classic.floats[step] = fold(step, Shape::Classic(&mut buckets), metric);
                }
            }
            let rows = native.into_iter().chain([classic]).filter(|row| !row.is_empty());
            answer.extend(rows.map(|mut row| {
                self.drop_name(&mut row);
                row
            }));
        }
        Ok(answer)
    }

    fn group_buckets(&self, rows: &[Row], position: PositionRange) -> Result<Vec<Group>> {
        let mut groups: Vec<Group> = Vec::new();
        let mut index: HashMap<Labels, usize> = HashMap::new();
        for (at, row) in rows.iter().enumerate() {
            self.check_interrupt()?;
            let bound_text = row.labels.get(BUCKET);
            let has_floats = row.floats.iter().any(|value| !super::super::is_absent(*value));
            let bound = bound_text.and_then(parse_float);
            if has_floats && bound.is_none() {
                let name = if self.delays_names() { row.metric_name() } else { "" };
                let text = format!(
                    "bucket label \"le\" is missing or has a malformed value of {}",
                    quote(bound_text.unwrap_or_default())
                );
                self.warn(position, with_metric(&text, name));
            }
            let counts = has_floats && bound.is_some();
            if !counts && !row.has_histograms() {
                continue;
            }
            let labels = if bound_text.is_some() {
                row.labels.without(|name| name == BUCKET)
            } else {
                row.labels.clone()
            };
            let group = *index.entry(labels.clone()).or_insert_with(|| {
                groups.push(Group {
                    labels,
                    buckets: Vec::new(),
                    native: Vec::new(),
                });
                groups.len() - 1
            });
            let group = &mut groups[group];
            if let Some(bound) = bound.filter(|_| has_floats) {
                group.buckets.push((bound, at));
            }
            if row.has_histograms() {
                group.native.push(at);
            }
        }
        Ok(groups)
    }
}

/// A float as OpenMetrics writes it in labels: with a decimal point always.
fn openmetrics(value: f64) -> String {
    let text = crate::printer::general(value);
    if value.is_finite() && !text.contains(['.', 'e']) {
        format!("{text}.0")
    } else {
        text
    }
}
