//! Aggregations: rows are assigned to groups once, then folded group by group.

mod cells;
mod count_values;
mod select;

use super::{ABSENT, Evaluator, Result, Row, failure, is_absent};
use crate::ast::AggregateOp;
use crate::functions::math::{Sum, quantile};
use crate::functions::over_time::invalid_quantile;
use crate::plan::{Kind, Node};
use parapet_model::{Labels, METRIC_NAME};
use std::collections::HashMap;

/// How rows are grouped.
struct Grouping<'a> {
    labels: &'a [String],
    without: bool,
}

impl Grouping<'_> {
    fn listed(&self, name: &str) -> bool {
        self.labels.binary_search_by(|label| label.as_str().cmp(name)).is_ok()
    }

    /// The labels that a group's rows agree in.
    fn of(&self, labels: &Labels) -> Labels {
        if self.without {
            labels.without(|name| name == METRIC_NAME || self.listed(name))
        } else if self.labels.is_empty() {
            Labels::empty()
        } else {
            labels.without(|name| !self.listed(name))
        }
    }

    /// The rows' groups, numbered by first appearance, and the groups' labels.
    fn assign(&self, rows: &[Row]) -> (Vec<usize>, Vec<Labels>) {
        let mut groups: Vec<Labels> = Vec::new();
        let mut index: HashMap<Labels, usize> = HashMap::new();
        let assigned = rows
            .iter()
            .map(|row| {
                let labels = self.of(&row.labels);
                *index.entry(labels).or_insert_with_key(|labels| {
                    groups.push(labels.clone());
                    groups.len() - 1
                })
            })
            .collect();
        (assigned, groups)
    }
}

impl Evaluator<'_> {
    pub(super) fn aggregate(&self, node: &Node) -> Result<Vec<Row>> {
        let Kind::Aggregate {
            op,
            expr,
            param,
            grouping,
            without,
        } = &node.kind
        else {
            return failure("expected an aggregation");
        };
        let grouping = Grouping {
            labels: grouping,
            without: *without,
        };
        if *op == AggregateOp::CountValues {
            return self.count_values(expr, param.as_deref(), &grouping);
        }
        let parameter = match param {
            Some(param) => self.scalar(param)?,
            None => Vec::new(),
        };
        let rows = self.vector(expr)?;
        match op {
            AggregateOp::Topk | AggregateOp::Bottomk | AggregateOp::Limitk | AggregateOp::LimitRatio => {
                let param_position = param.as_ref().map(|param| param.position).unwrap_or_default();
                let positions = select::Positions {
                    aggregation: node.position,
                    parameter: param_position,
                };
                self.select_rows(*op, &parameter, rows, &grouping, &positions)
            }
            _ => {
                if *op == AggregateOp::Quantile {
                    self.check_quantiles(&parameter, param.as_deref());
                }
                self.fold(*op, &parameter, &rows, &grouping, expr)
            }
        }
    }

    fn check_quantiles(&self, quantiles: &[f64], param: Option<&Node>) {
        let Some(param) = param else { return };
        if quantiles.iter().any(|q| q.is_nan()) {
            self.warn(param.position, invalid_quantile(f64::NAN));
        }
        let (least, most) = quantiles
            .iter()
            .fold((f64::MAX, f64::MIN), |(least, most), q| (q.min(least), q.max(most)));
        if most > 1.0 {
            self.warn(param.position, invalid_quantile(most));
        }
        if least < 0.0 {
            self.warn(param.position, invalid_quantile(least));
        }
    }

    fn fold(
        &self,
        op: AggregateOp,
        parameter: &[f64],
        rows: &[Row],
        grouping: &Grouping<'_>,
        expr: &Node,
    ) -> Result<Vec<Row>> {
        let (assigned, labels) = grouping.assign(rows);
        let mut members: Vec<Vec<usize>> = vec![Vec::new(); labels.len()];
        for (row, group) in assigned.iter().enumerate() {
            members[*group].push(row);
        }
        let steps = self.steps();
        let mut out = Vec::with_capacity(labels.len());
        for (labels, members) in labels.into_iter().zip(&members) {
            self.check_interrupt()?;
            let members: Vec<&Row> = members.iter().map(|at| &rows[*at]).collect();
            let drop_name = members.iter().any(|row| row.drop_name);
            let mut row = Row::new(labels, drop_name, steps);
            if members.iter().any(|row| row.has_histograms()) {
                self.fold_cells(op, parameter, &members, expr, &mut row);
            } else {
                fold_floats(op, parameter, &members, &mut row.floats);
            }
            if !row.is_empty() {
                out.push(row);
            }
        }
        Ok(out)
    }
}

/// Folds rows of floats alone, row by row.
fn fold_floats(op: AggregateOp, parameter: &[f64], rows: &[&Row], out: &mut [f64]) {
    match op {
        AggregateOp::Sum => sums(rows, out),
        AggregateOp::Avg => means(rows, out),
        AggregateOp::Count => {
            fold_each(rows, out, |_| 1.0, |count, _| count + 1.0);
        }
        AggregateOp::Group => fold_each(rows, out, |_| 1.0, |one, _| one),
        AggregateOp::Max => fold_each(
            rows,
            out,
            |value| value,
            |best, value| if best < value || best.is_nan() { value } else { best },
        ),
        AggregateOp::Min => fold_each(
            rows,
            out,
            |value| value,
            |best, value| if best > value || best.is_nan() { value } else { best },
        ),
        AggregateOp::Stddev => variances(rows, out, f64::sqrt),
        AggregateOp::Stdvar => variances(rows, out, |variance| variance),
        _ => {
            let mut values = Vec::with_capacity(rows.len());
            for (step, out) in out.iter_mut().enumerate() {
                values.clear();
                values.extend(
                    rows.iter()
                        .map(|row| row.floats[step])
                        .filter(|value| !is_absent(*value)),
                );
                if !values.is_empty() {
                    *out = quantile(parameter[step], &mut values);
                }
            }
        }
    }
}

#[inline]
fn fold_each(rows: &[&Row], out: &mut [f64], first: impl Fn(f64) -> f64, next: impl Fn(f64, f64) -> f64) {
    for row in rows {
        for (value, out) in row.floats.iter().zip(out.iter_mut()) {
            if !is_absent(*value) {
                *out = if is_absent(*out) {
                    first(*value)
                } else {
                    next(*out, *value)
                };
            }
        }
    }
}

fn sums(rows: &[&Row], out: &mut [f64]) {
    let (mut totals, seen) = running_sums(rows, out.len());
    for ((out, total), seen) in out.iter_mut().zip(&mut totals).zip(seen) {
        if seen > 0 {
            *out = total.total();
        }
    }
}

/// For each step the sum, and of how many.
fn running_sums(rows: &[&Row], steps: usize) -> (Vec<Sum>, Vec<u32>) {
    let (mut totals, mut seen) = (vec![Sum::default(); steps], vec![0u32; steps]);
    for row in rows {
        for ((value, total), seen) in row.floats.iter().zip(&mut totals).zip(&mut seen) {
            if is_absent(*value) {
                continue;
            }
            // The first is taken as it is: minus zero stays that.
            if *seen == 0 {
                *total = Sum::new(*value);
            } else {
                total.add(*value);
            }
            *seen += 1;
        }
    }
    (totals, seen)
}

fn means(rows: &[&Row], out: &mut [f64]) {
    let (totals, seen) = running_sums(rows, out.len());
    for (step, ((out, total), seen)) in out.iter_mut().zip(totals).zip(seen).enumerate() {
        if seen == 0 {
            continue;
        }
        let count = f64::from(seen);
        *out = if total.value.is_infinite() {
            // Perhaps it is the sum alone that is too great.
            let values = rows
                .iter()
                .map(|row| row.floats[step])
                .filter(|value| !is_absent(*value));
            crate::functions::math::mean(values)
        } else {
            total.value / count + total.lost / count
        };
    }
}

fn variances(rows: &[&Row], out: &mut [f64], finish: fn(f64) -> f64) {
    for (step, out) in out.iter_mut().enumerate() {
        let values = rows
            .iter()
            .map(|row| row.floats[step])
            .filter(|value| !is_absent(*value));
        *out = variance(values).map_or(ABSENT, finish);
    }
}

/// The variance by Welford's method.
fn variance(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (mut count, mut mean, mut squares) = (0.0, 0.0, 0.0);
    for value in values {
        count += 1.0;
        if count == 1.0 {
            mean = value;
            squares = if value.is_finite() { 0.0 } else { f64::NAN };
            continue;
        }
        let delta = value - mean;
        mean += delta / count;
        squares += delta * (value - mean);
    }
    (count > 0.0).then(|| squares / count)
}
