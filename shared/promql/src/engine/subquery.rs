//! Subqueries: an expression at its own steps, as the points of a range.

use super::range::Points;
use super::{Evaluated, Evaluator, Grid, Result, Row, failure, is_absent};
use crate::plan::Subquery;
use parapet_model::{CounterReset, Histogram, Series};
use std::borrow::Cow;
use std::sync::Arc;

impl Evaluator<'_> {
    /// The steps of a subquery: multiples of its step, behind the start of the first window and up to the end of the
    /// last.
    fn subquery_grid(&self, subquery: &Subquery) -> Grid {
        let last_step = self.grid.time(self.steps().saturating_sub(1));
        let end = subquery.reference(last_step);
        let after = subquery.reference(self.grid.start).saturating_sub(subquery.range);
        let mut start = (after / subquery.step).saturating_mul(subquery.step);
        if start <= after {
            start = start.saturating_add(subquery.step);
        }
        Grid {
            start,
            end,
            step: subquery.step,
        }
    }

    fn subquery_rows(&self, subquery: &Subquery) -> Result<(Grid, Vec<Row>)> {
        let grid = self.subquery_grid(subquery);
        let inner = self.at(grid);
        inner.check_steps()?;
        match inner.eval(&subquery.expr)? {
            Evaluated::Vector(rows) => Ok((grid, rows)),
            _ => failure("expected an instant vector in a subquery"),
        }
    }

    /// The subquery as the whole answer.
    pub(super) fn subquery_series(&self, subquery: &Subquery) -> Result<Vec<Series>> {
        let (grid, mut rows) = self.subquery_rows(subquery)?;
        if self.delays_names() {
            for row in &mut rows {
                if row.drop_name {
                    row.labels = super::without_metadata(&row.labels);
                }
            }
            rows = self.merge_same_labels(rows)?;
        }
        Ok(rows
            .into_iter()
            .filter(|row| !row.is_empty())
            .map(|row| row.into_series(&grid))
            .collect())
    }

    /// The subquery as the argument of a function.
    pub(super) fn subquery_points(&self, subquery: &Subquery) -> Result<Vec<Points<'static>>> {
        let (grid, rows) = self.subquery_rows(subquery)?;
        let mut points = Vec::with_capacity(rows.len());
        for row in rows {
            self.check_interrupt()?;
            self.charge(row.sample_count())?;
            let mut of_row = Points {
                labels: row.labels,
                drop_name: row.drop_name,
                times: Cow::Owned(Vec::new()),
                values: Cow::Owned(Vec::new()),
                histograms: Cow::Owned(Vec::new()),
                starts: None,
                runs: &[],
            };
            let (times, values) = (of_row.times.to_mut(), of_row.values.to_mut());
            for (step, value) in row.floats.iter().enumerate().filter(|(_, value)| !is_absent(**value)) {
                times.push(grid.time(step));
                values.push(*value);
            }
            let histograms = of_row.histograms.to_mut();
            for (step, histogram) in row.histograms.into_iter().enumerate() {
                histograms.extend(histogram.map(|histogram| (grid.time(step), without_reset_hint(histogram))));
            }
            points.push(of_row);
        }
        Ok(points)
    }
}

/// What is known of resets holds from sample to sample, not from step to step.
fn without_reset_hint(histogram: Arc<Histogram>) -> Arc<Histogram> {
    match histogram.counter_reset {
        CounterReset::Reset | CounterReset::NotReset => Arc::new(Histogram {
            counter_reset: CounterReset::Unknown,
            ..(*histogram).clone()
        }),
        CounterReset::Unknown | CounterReset::Gauge => histogram,
    }
}
