//! Aggregation of floats alone: row by row, all steps at once.

use super::super::{ABSENT, Evaluator, Result, Row, is_absent};
use crate::ast::AggregateOp;
use crate::functions::math::{Sum, mean, quantile};

impl Evaluator<'_> {
    pub(super) fn fold_floats(&self, op: AggregateOp, parameter: &[f64], rows: &[&Row], out: &mut [f64]) -> Result<()> {
        match op {
            AggregateOp::Sum => self.sums(rows, out),
            AggregateOp::Avg => self.means(rows, out),
            AggregateOp::Count => self.fold_each(rows, out, |_| 1.0, |count, _| count + 1.0),
            AggregateOp::Group => self.fold_each(rows, out, |_| 1.0, |one, _| one),
            AggregateOp::Max => self.fold_each(
                rows,
                out,
                |value| value,
                |best, value| if best < value || best.is_nan() { value } else { best },
            ),
            AggregateOp::Min => self.fold_each(
                rows,
                out,
                |value| value,
                |best, value| if best > value || best.is_nan() { value } else { best },
            ),
            AggregateOp::Stddev => self.each_step(rows, out, |_, values| variance(values).sqrt()),
            AggregateOp::Stdvar => self.each_step(rows, out, |_, values| variance(values)),
            _ => self.each_step(rows, out, |step, values| quantile(parameter[step], values)),
        }
    }

    #[inline]
    fn fold_each(
        &self,
        rows: &[&Row],
        out: &mut [f64],
        first: impl Fn(f64) -> f64,
        next: impl Fn(f64, f64) -> f64,
    ) -> Result<()> {
        for row in rows {
            self.check_interrupt()?;
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
        Ok(())
    }

    /// Hands over all values of a step together, where there are any.
    fn each_step(&self, rows: &[&Row], out: &mut [f64], fold: impl Fn(usize, &mut [f64]) -> f64) -> Result<()> {
        let mut values = Vec::with_capacity(rows.len());
        for (step, out) in out.iter_mut().enumerate() {
            self.check_interrupt()?;
            values.clear();
            values.extend(present(rows, step));
            *out = if values.is_empty() {
                ABSENT
            } else {
                fold(step, &mut values)
            };
        }
        Ok(())
    }

    fn sums(&self, rows: &[&Row], out: &mut [f64]) -> Result<()> {
        let (totals, seen) = self.running_sums(rows, out.len())?;
        for ((out, total), seen) in out.iter_mut().zip(totals).zip(seen) {
            if seen > 0 {
                *out = total.total();
            }
        }
        Ok(())
    }

    fn means(&self, rows: &[&Row], out: &mut [f64]) -> Result<()> {
        let (totals, seen) = self.running_sums(rows, out.len())?;
        for (step, ((out, total), seen)) in out.iter_mut().zip(totals).zip(seen).enumerate() {
            if seen == 0 {
                continue;
            }
            let count = f64::from(seen);
            *out = if total.value.is_infinite() {
                // Perhaps it is the sum alone that is too great.
                mean(present(rows, step))
            } else {
                total.value / count + total.lost / count
            };
        }
        Ok(())
    }

    /// For each step the sum, and of how many.
    fn running_sums(&self, rows: &[&Row], steps: usize) -> Result<(Vec<Sum>, Vec<u32>)> {
        let (mut totals, mut seen) = (vec![Sum::default(); steps], vec![0u32; steps]);
        for row in rows {
            self.check_interrupt()?;
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
        Ok((totals, seen))
    }
}

/// The values of a step.
fn present(rows: &[&Row], step: usize) -> impl Iterator<Item = f64> {
    rows.iter()
        .map(move |row| row.floats[step])
        .filter(|value| !is_absent(*value))
}

/// The variance by Welford's method.
fn variance(values: &[f64]) -> f64 {
    let (mut count, mut mean, mut squares) = (0.0, 0.0, 0.0);
    for value in values {
        count += 1.0;
        if count == 1.0 {
            mean = *value;
            squares = if value.is_finite() { 0.0 } else { f64::NAN };
            continue;
        }
        let delta = value - mean;
        mean += delta / count;
        squares += delta * (value - mean);
    }
    squares / count
}
