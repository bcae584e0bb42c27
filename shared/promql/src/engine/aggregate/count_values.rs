//! `count_values`: how many rows have each value.

use super::super::call::bare;
use super::super::{Evaluator, Point, Result, Row, failure, is_absent};
use super::Grouping;
use crate::histogram::describe;
use crate::plan::{Kind, Node};
use parapet_model::{Labels, format_float, quote};
use std::collections::HashMap;

impl Evaluator<'_> {
    pub(super) fn count_values(&self, expr: &Node, param: Option<&Node>, grouping: &Grouping<'_>) -> Result<Vec<Row>> {
        let Some(Kind::Text(label)) = param.map(|param| &bare(param).kind) else {
            return failure("expected a label name");
        };
        if !label.is_label_name() {
            let quoted = label.invalid.clone().unwrap_or_else(|| quote(&label.value));
            return failure(format!("invalid label name {quoted}"));
        }
        let label = label.value.as_str();
        let mut labels = grouping.labels.to_vec();
        if !grouping.without {
            labels.push(label.to_owned());
            labels.sort_unstable();
            labels.dedup();
        }
        let grouping = Grouping {
            labels: &labels,
            without: grouping.without,
        };
        let rows = self.vector(expr)?;
        // Rows that differ in other labels alone come to the same series.
        let (groups, _) = Grouping {
            labels: grouping.labels,
            without: grouping.without,
        }
        .assign(self, &rows)?;
        let mut out: Vec<Row> = Vec::new();
        let mut by_labels: HashMap<Labels, usize> = HashMap::new();
        let mut by_float: HashMap<(usize, u64), usize> = HashMap::new();
        for (row, group) in rows.iter().zip(groups) {
            self.check_interrupt()?;
            let mut series = |value: &str| {
                let labels = grouping.of(&row.labels.with(label, value));
                *by_labels.entry(labels).or_insert_with_key(|labels| {
                    out.push(Row::new(labels.clone(), false, self.steps()));
                    out.len() - 1
                })
            };
            let mut counted = Vec::with_capacity(self.steps());
            for step in 0..self.steps() {
                counted.push(match row.get(step) {
                    Some(Point::Float(value)) => {
                        let key = (group, value.to_bits());
                        Some(*by_float.entry(key).or_insert_with(|| series(&format_float(value))))
                    }
                    Some(Point::Histogram(histogram)) => Some(series(&describe(histogram))),
                    None => None,
                });
            }
            for (step, at) in counted.into_iter().enumerate() {
                let Some(at) = at else { continue };
                let count = &mut out[at].floats[step];
                *count = if is_absent(*count) { 1.0 } else { *count + 1.0 };
            }
            self.check_samples(out.len())?;
        }
        self.merge_results(out)
    }
}
