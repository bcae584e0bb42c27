//! `and`, `or`, `unless`.

use super::super::{ABSENT, Evaluator, Result, Row};
use super::matching::Signatures;
use crate::ast::{BinaryOp, VectorMatching};

impl Evaluator<'_> {
    pub(super) fn set_operation(
        &self,
        op: BinaryOp,
        left: Vec<Row>,
        right: Vec<Row>,
        matching: &VectorMatching,
    ) -> Result<Vec<Row>> {
        let steps = self.steps();
        let mut signatures = Signatures::new(matching);
        let mut groups = |rows: &[Row]| -> Result<Vec<usize>> {
            let number = |row: &Row| self.check_interrupt().map(|()| signatures.of(&row.labels));
            rows.iter().map(number).collect()
        };
        let (left_groups, right_groups) = (groups(&left)?, groups(&right)?);
        let count = signatures.count();
        let rows = match op {
            BinaryOp::And => retain(left, &left_groups, &presence(&right, &right_groups, count, steps), true),
            BinaryOp::Unless => retain(
                left,
                &left_groups,
                &presence(&right, &right_groups, count, steps),
                false,
            ),
            _ => {
                let taken = presence(&left, &left_groups, count, steps);
                let mut rows = left;
                rows.extend(retain(right, &right_groups, &taken, false));
                rows
            }
        };
        self.merge_results(rows)
    }
}

/// For each group, at which steps any of its rows has a value.
fn presence(rows: &[Row], groups: &[usize], count: usize, steps: usize) -> Vec<Vec<bool>> {
    let mut presence: Vec<Vec<bool>> = vec![Vec::new(); count];
    for (row, group) in rows.iter().zip(groups) {
        let present = &mut presence[*group];
        present.resize(steps, false);
        for (step, present) in present.iter_mut().enumerate() {
            *present |= row.get(step).is_some();
        }
    }
    presence
}

/// The values at steps where the other side has one, or has none.
fn retain(mut rows: Vec<Row>, groups: &[usize], other: &[Vec<bool>], where_present: bool) -> Vec<Row> {
    let mut groups = groups.iter();
    rows.retain_mut(|row| {
        let Some(group) = groups.next() else { return false };
        let present = &other[*group];
        if present.is_empty() {
            return !where_present;
        }
        for (step, present) in present.iter().enumerate() {
            if *present != where_present {
                row.floats[step] = ABSENT;
                if let Some(histogram) = row.histograms.get_mut(step) {
                    *histogram = None;
                }
            }
        }
        !row.is_empty()
    });
    rows
}
