//! `topk`, `bottomk`, `limitk`, `limit_ratio`: some of each group's rows, at each step anew.

use super::super::{ABSENT, Evaluator, Point, Result, Row, failure};
use super::Grouping;
use crate::ast::{AggregateOp, PositionRange};
use crate::printer::general;
use parapet_model::Labels;
use std::cmp::Ordering;

pub(super) struct Positions {
    pub(super) aggregation: PositionRange,
    pub(super) parameter: PositionRange,
}

impl Evaluator<'_> {
    pub(super) fn select_rows(
        &self,
        op: AggregateOp,
        parameter: &[f64],
        rows: Vec<Row>,
        grouping: &Grouping<'_>,
        positions: &Positions,
    ) -> Result<Vec<Row>> {
        if !self.check_parameter(op, parameter, positions)? {
            return Ok(Vec::new());
        }
        let (assigned, labels) = grouping.assign(self, &rows)?;
        let mut members: Vec<Vec<usize>> = vec![Vec::new(); labels.len()];
        for (row, group) in assigned.iter().enumerate() {
            members[*group].push(row);
        }
        let offsets: Vec<f64> = match op {
            AggregateOp::LimitRatio => rows.iter().map(|row| ratio_offset(&row.labels)).collect(),
            _ => Vec::new(),
        };
        let steps = self.steps();
        let mut kept = vec![vec![false; steps]; rows.len()];
        // At a single step, the order of selection is the order of the answer.
        let mut order = Vec::new();
        for step in 0..steps {
            self.check_interrupt()?;
            for members in &members {
                let present = members.iter().copied().filter(|at| rows[*at].get(step).is_some());
                let chosen = match op {
                    AggregateOp::Limitk => present.take(at_most(parameter[step], rows.len())).collect(),
                    AggregateOp::LimitRatio => present.filter(|at| in_ratio(parameter[step], offsets[*at])).collect(),
                    _ => self.extremes(
                        op,
                        at_most(parameter[step], rows.len()),
                        step,
                        &rows,
                        present,
                        positions,
                    ),
                };
                for at in &chosen {
                    kept[*at][step] = true;
                }
                if self.grid.is_single() {
                    order.extend(chosen);
                }
            }
        }
        self.check_interrupt()?;
        let mut rows: Vec<Option<Row>> = rows
            .into_iter()
            .zip(kept)
            .map(|(mut row, kept)| {
                for (step, kept) in kept.iter().enumerate() {
                    if !kept {
                        row.floats[step] = ABSENT;
                        if let Some(histogram) = row.histograms.get_mut(step) {
                            *histogram = None;
                        }
                    }
                }
                (!row.is_empty()).then_some(row)
            })
            .collect();
        if self.grid.is_single() {
            return Ok(order.into_iter().filter_map(|at| rows[at].take()).collect());
        }
        let rows = rows.into_iter().flatten().collect();
        self.merge_same_labels(rows)
    }

    /// False where nothing can be selected.
    fn check_parameter(&self, op: AggregateOp, parameter: &[f64], positions: &Positions) -> Result<bool> {
        let has_nan = parameter.iter().any(|value| value.is_nan());
        let (least, most) = parameter
            .iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), value| {
                (value.min(least), value.max(most))
            });
        if op == AggregateOp::LimitRatio {
            if most == 0.0 && least == 0.0 {
                return Ok(false);
            }
            if has_nan {
                return failure("Ratio value is NaN");
            }
            for (value, end, beyond) in [(most, 1.0, most > 1.0), (least, -1.0, least < -1.0)] {
                if beyond {
                    let text = format!(
                        "ratio value should be between -1 and 1, got {}, capping to {}",
                        general(value),
                        general(end)
                    );
                    self.warn(positions.parameter, text);
                }
            }
            return Ok(true);
        }
        if !has_nan && most < 1.0 {
            return Ok(false);
        }
        if has_nan {
            return failure("Parameter value is NaN");
        }
        // The least and the greatest float that an i64 holds.
        if least <= -9_223_372_036_854_775_808.0 {
            return failure(format!("Scalar value {} underflows int64", general(least)));
        }
        if most >= 9_223_372_036_854_774_784.0 {
            return failure(format!("Scalar value {} overflows int64", general(most)));
        }
        Ok(true)
    }

    /// The `k` rows of the greatest or least values, the most extreme first; NaN only where there is nothing else.
    fn extremes(
        &self,
        op: AggregateOp,
        k: usize,
        step: usize,
        rows: &[Row],
        present: impl Iterator<Item = usize>,
        positions: &Positions,
    ) -> Vec<usize> {
        let mut floats: Vec<(f64, usize)> = Vec::new();
        if k == 0 {
            return Vec::new();
        }
        for at in present {
            match rows[at].get(step) {
                Some(Point::Float(value)) => floats.push((value, at)),
                _ => self.note(
                    positions.aggregation,
                    format!("ignored histogram in {} aggregation", op.as_str()),
                ),
            }
        }
        let better = |a: &(f64, usize), b: &(f64, usize)| {
            let order = match a.0.partial_cmp(&b.0) {
                Some(order) if op == AggregateOp::Topk => order.reverse(),
                Some(order) => order,
                None => a.0.is_nan().cmp(&b.0.is_nan()),
            };
            // Of equals, those that come first.
            if order == Ordering::Equal { a.1.cmp(&b.1) } else { order }
        };
        if floats.len() > k {
            floats.select_nth_unstable_by(k, better);
            floats.truncate(k);
        }
        floats.sort_unstable_by(better);
        floats.into_iter().map(|(_, at)| at).collect()
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn at_most(k: f64, rows: usize) -> usize {
    if k < 1.0 { 0 } else { (k as usize).min(rows) }
}

fn in_ratio(ratio: f64, offset: f64) -> bool {
    let ratio = ratio.clamp(-1.0, 1.0);
    (ratio >= 0.0 && offset < ratio) || (ratio < 0.0 && offset >= 1.0 + ratio)
}

/// Where a series stands between 0 and 1: a hash of its labels, as Prometheus' own (XXH64 over each text behind its
/// length), so that the same series are chosen.
fn ratio_offset(labels: &Labels) -> f64 {
    let mut bytes = Vec::with_capacity(labels.size_bytes());
    for (name, value) in labels {
        for text in [name, value] {
            match u8::try_from(text.len()) {
                Ok(length) if length < 255 => bytes.push(length),
                _ => {
                    let length = u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes();
                    bytes.extend_from_slice(&[255, length[0], length[1], length[2]]);
                }
            }
            bytes.extend_from_slice(text.as_bytes());
        }
    }
    #[allow(clippy::cast_precision_loss)]
    let offset = xxhash_rust::xxh64::xxh64(&bytes, 0) as f64 / u64::MAX as f64;
    offset
}
