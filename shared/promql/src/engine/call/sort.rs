//! `sort` and its kin: the order of an instant query's rows.

use super::super::{Evaluator, Point, Result, Row};
use super::text;
use crate::ast::PositionRange;
use crate::plan::Node;
use std::cmp::Ordering;

impl Evaluator<'_> {
    pub(super) fn sort_vector(&self, name: &str, args: &[Node], position: PositionRange) -> Result<Vec<Row>> {
        if !self.grid.is_single() {
            self.warn(
                position,
                "sort is ineffective for range queries since results are always ordered by labels",
            );
        }
        let mut rows = self.vector(&args[0])?;
        let by_value = matches!(name, "sort" | "sort_desc");
        if by_value {
            for row in &mut rows {
                row.histograms = Vec::new();
            }
            rows.retain(|row| !row.is_empty());
        }
        if self.steps() == 1 {
            let value = |row: &Row| match row.get(0) {
                Some(Point::Float(value)) => value,
                _ => f64::NAN,
            };
            match name {
                "sort" => self.sort(&mut rows, |a, b| by_number(value(a), value(b), Ordering::Less))?,
                "sort_desc" => self.sort(&mut rows, |a, b| by_number(value(a), value(b), Ordering::Greater))?,
                _ => {
                    let labels: Vec<&str> = args[1..].iter().map(text).collect();
                    self.sort(&mut rows, |a, b| by_labels(&labels, a, b))?;
                    if name == "sort_by_label_desc" {
                        rows.reverse();
                    }
                }
            }
        }
        self.merge_results(rows)
    }
}

/// `first` is what a smaller number is; NaN comes last.
fn by_number(a: f64, b: f64, first: Ordering) -> Ordering {
    match a.partial_cmp(&b) {
        Some(order) => {
            if first == Ordering::Less {
                order
            } else {
                order.reverse()
            }
        }
        None => a.is_nan().cmp(&b.is_nan()),
    }
}

fn by_labels(labels: &[&str], a: &Row, b: &Row) -> Ordering {
    for label in labels {
        let (left, right) = (
            a.labels.get(label).unwrap_or_default(),
            b.labels.get(label).unwrap_or_default(),
        );
        if left != right {
            return if natural_less(left, right) {
                Ordering::Less
            } else {
                Ordering::Greater
            };
        }
    }
    a.labels.cmp(&b.labels)
}

/// Whether `a` comes before `b` when runs of digits count as numbers (`natsort.Compare`, which Prometheus uses).
fn natural_less(a: &str, b: &str) -> bool {
    let (a, b) = (chunks(a), chunks(b));
    for (at, left) in a.iter().enumerate() {
        let Some(right) = b.get(at) else { return false };
        let digits = |chunk: &str| chunk.starts_with(|c: char| c.is_ascii_digit());
        let numbers = || Some((left.parse::<u64>().ok()?, right.parse::<u64>().ok()?));
        if digits(left)
            && digits(right)
            && let Some((x, y)) = numbers()
        {
            if x != y {
                return x < y;
            }
            // The same number, written with more zeros.
            if left.len() != right.len() {
                return left.len() < right.len();
            }
            continue;
        }
        if left != right {
            return left < right;
        }
    }
    a.len() < b.len()
}

/// Runs of digits, and what is between them.
fn chunks(text: &str) -> Vec<&str> {
    let mut chunks = Vec::new();
    let mut start = 0;
    let bytes = text.as_bytes();
    for at in 1..=bytes.len() {
        if at == bytes.len() || bytes[at].is_ascii_digit() != bytes[at - 1].is_ascii_digit() {
            chunks.push(&text[start..at]);
            start = at;
        }
    }
    chunks
}

#[cfg(test)]
mod tests {
    use super::natural_less;

    #[test]
    fn digits_count_as_numbers() {
        assert!(natural_less("a2", "a10"));
        assert!(natural_less("2", "10"));
        assert!(!natural_less("b1", "a2"));
        assert!(natural_less("a", "a1"));
    }
}
