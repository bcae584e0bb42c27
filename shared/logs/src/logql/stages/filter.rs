//! Filters of labels.

use super::super::ast::Quantity;
use super::super::compile::CompiledFilter;
use super::super::row::Row;
use crate::number::{parse_bytes, parse_duration_seconds};

/// Whether a row passes. A value that does not read marks the row, and lets it pass.
pub(in super::super) fn passes(filter: &CompiledFilter, row: &mut Row<'_>) -> bool {
    match filter {
        CompiledFilter::Match(matcher) => matcher.matches(row.get(&matcher.name)),
        CompiledFilter::And(left, right) => passes(left, row) && passes(right, row),
        CompiledFilter::Or(left, right) => passes(left, row) || passes(right, row),
        // A row that is marked already is not taken out by an address.
        CompiledFilter::Ip { name, negated, range } => {
            !row.error.is_empty() || row.find(name).is_some_and(|text| range.in_line(text) != *negated)
        }
        CompiledFilter::Number { name, op, value } => {
            let Some(text) = row.find(name) else {
                return false;
            };
            #[allow(clippy::cast_precision_loss)]
            let (found, wanted) = match value {
                Quantity::Number(number) => (text.parse().ok(), *number),
                Quantity::Duration(nanos) => (go_duration_seconds(text).map(|s| (s * 1e9).round()), *nanos as f64),
                Quantity::Bytes(bytes) => (parse_bytes(text), *bytes),
            };
            match found {
                Some(found) => op.holds(found, wanted),
                None => {
                    let details = format!("{} does not read as the filter's number", parapet_model::quote(text));
                    // What went wrong first says more.
                    if row.error.is_empty() {
                        row.fail("LabelFilterErr", details);
                    }
                    true
                }
            }
        }
    }
}

/// Days, weeks and years are no units of Go's.
pub(in super::super) fn go_duration_seconds(text: &str) -> Option<f64> {
    parse_duration_seconds(text).filter(|_| !text.contains(['d', 'w', 'y']))
}
