//! Aggregation where histograms are among the rows: step by step.

use super::super::{Computed, Evaluator, Point, Result, Row};
use crate::ast::AggregateOp;
use crate::functions::over_time::{incompatible_text, reconciled_text};
use crate::histogram;
use crate::plan::Node;
use parapet_model::{CounterReset, Histogram};
use std::sync::Arc;

impl Evaluator<'_> {
    pub(super) fn fold_cells(
        &self,
        op: AggregateOp,
        parameter: &[f64],
        rows: &[&Row],
        expr: &Node,
        out: &mut Row,
    ) -> Result<()> {
        match op {
            AggregateOp::Sum | AggregateOp::Avg => self.fold_sums(op, rows, expr, out)?,
            AggregateOp::Count => {
                for step in 0..out.floats.len() {
                    self.check_interrupt()?;
                    let count = rows.iter().filter(|row| row.get(step).is_some()).count();
                    if count > 0 {
                        #[allow(clippy::cast_precision_loss)]
                        out.set(step, Computed::Float(count as f64));
                    }
                }
            }
            AggregateOp::Group => {
                for step in 0..out.floats.len() {
                    self.check_interrupt()?;
                    if rows.iter().any(|row| row.get(step).is_some()) {
                        out.set(step, Computed::Float(1.0));
                    }
                }
            }
            _ => {
                if rows.iter().any(|row| row.histograms.iter().any(Option::is_some)) {
                    self.note(
                        expr.position,
                        format!("ignored histogram in {} aggregation", op.as_str()),
                    );
                }
                self.fold_floats(op, parameter, rows, &mut out.floats)?;
            }
        }
        Ok(())
    }

    fn fold_sums(&self, op: AggregateOp, rows: &[&Row], expr: &Node, out: &mut Row) -> Result<()> {
        let mut floats = super::Row::new(out.labels.clone(), false, out.floats.len());
        self.fold_floats(op, &[], rows, &mut floats.floats)?;
        for step in 0..out.floats.len() {
            self.check_interrupt()?;
            let histograms: Vec<(&Row, &Histogram)> = rows
                .iter()
                .filter_map(|row| match row.get(step)? {
                    Point::Histogram(histogram) => Some((*row, &**histogram)),
                    Point::Float(_) => None,
                })
                .collect();
            let float = floats.get(step).map(Computed::from);
            if histograms.is_empty() {
                if let Some(float) = float {
                    out.set(step, float);
                }
                continue;
            }
            if float.is_some() {
                self.warn(
                    expr.position,
                    "encountered a mix of histograms and floats for aggregation",
                );
                continue;
            }
            if let Some(histogram) = self.fold_histograms_at(op, &histograms, expr) {
                out.set(step, Computed::Histogram(Arc::new(histogram)));
            }
        }
        Ok(())
    }

    fn fold_histograms_at(&self, op: AggregateOp, of: &[(&Row, &Histogram)], expr: &Node) -> Option<Histogram> {
        let histograms = of.iter().map(|(_, histogram)| *histogram);
        let folded = if op == AggregateOp::Sum {
            histogram::sum(histograms)
        } else {
            histogram::mean(histograms)
        };
        match folded {
            Ok(folded) => {
                if folded.reconciled {
                    self.note(expr.position, reconciled_text("aggregation"));
                }
                let seen = |hint| of.iter().any(|(_, histogram)| histogram.counter_reset == hint);
                if seen(CounterReset::Reset) && seen(CounterReset::NotReset) {
                    self.warn(expr.position, "conflicting counter resets during histogram aggregation");
                }
                Some(folded.histogram)
            }
            Err(at) => {
                self.warn(expr.position, incompatible_text(of[at].0.metric_name()));
                None
            }
        }
    }
}
