//! Aggregations: rows are assigned to groups once, then folded group by group.

mod cells;
mod count_values;
mod floats;
mod select;

use super::{Evaluator, Result, Row, failure, go_max, go_min, push_label};
use crate::ast::AggregateOp;
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
    /// Whether the rows of a group agree in this label.
    fn keeps(&self, name: &str) -> bool {
        let listed = self.labels.binary_search_by(|label| label.as_str().cmp(name)).is_ok();
        if self.without {
            !listed && name != METRIC_NAME
        } else {
            listed
        }
    }

    /// The labels that a group's rows agree in.
    fn of(&self, labels: &Labels) -> Labels {
        labels.without(|name| !self.keeps(name))
    }

    /// The rows' groups, numbered by first appearance, and the groups' labels.
    fn assign(&self, evaluator: &Evaluator<'_>, rows: &[Row]) -> Result<(Vec<usize>, Vec<Labels>)> {
        let mut groups: Vec<Labels> = Vec::new();
        let mut index: HashMap<Vec<u8>, usize> = HashMap::new();
        let mut assigned = Vec::with_capacity(rows.len());
        let mut key = Vec::new();
        for row in rows {
            evaluator.check_interrupt()?;
            key.clear();
            for (name, value) in &row.labels {
                if self.keeps(name) {
                    push_label(&mut key, name, value);
                }
            }
            assigned.push(match index.get(&key) {
                Some(group) => *group,
                None => {
                    index.insert(key.clone(), groups.len());
                    groups.push(self.of(&row.labels));
                    groups.len() - 1
                }
            });
        }
        Ok((assigned, groups))
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
        let (least, most) = quantiles.iter().fold((f64::MAX, f64::MIN), |(least, most), q| {
            (go_min(*q, least), go_max(*q, most))
        });
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
        let (assigned, labels) = grouping.assign(self, rows)?;
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
                self.fold_cells(op, parameter, &members, expr, &mut row)?;
            } else {
                self.fold_floats(op, parameter, &members, &mut row.floats)?;
            }
            if !row.is_empty() {
                out.push(row);
            }
        }
        Ok(out)
    }
}
