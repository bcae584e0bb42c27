//! What of the store a filter surely needs, so that the rest is not read. Conservative: what is read may be too much.

use parapet_logs::Level;
use parapet_logs::filter::{Bound, FieldTest, Filter};
use parapet_store::logs::Columns;
use std::ops::RangeInclusive;

/// The levels that records must have.
pub(super) fn levels(filter: &Filter) -> Option<RangeInclusive<Level>> {
    match filter {
        Filter::And(parts) => parts
            .iter()
            .filter_map(levels)
            .reduce(|a, b| *a.start().max(b.start())..=*a.end().min(b.end())),
        Filter::Or(parts) => {
            let parts: Option<Vec<_>> = parts.iter().map(levels).collect();
            parts?
                .into_iter()
                .reduce(|a, b| *a.start().min(b.start())..=*a.end().max(b.end()))
        }
        Filter::Field { name, test } if name == "level" => match test {
            FieldTest::Equal(word) => Level::from_word(word).map(|level| level..=level),
            FieldTest::Within { low, high } => {
                let bound = |bound: &Option<(Bound, bool)>| match bound {
                    Some((Bound::Level(level), _)) => Some(*level),
                    _ => None,
                };
                let (low, high) = (bound(low), bound(high));
                (low.is_some() || high.is_some()).then(|| low.unwrap_or(Level::Debug)..=high.unwrap_or(Level::Critical))
            }
            _ => None,
        },
        _ => None,
    }
}

/// Whether the level of a record decides, and nothing else of it.
pub(super) fn is_of_level(filter: &Filter) -> bool {
    match filter {
        Filter::All => true,
        Filter::And(parts) | Filter::Or(parts) => parts.iter().all(is_of_level),
        Filter::Not(part) => is_of_level(part),
        Filter::Text(_) | Filter::TextRegex(_) => false,
        Filter::Field { name, .. } => name == "level",
    }
}

/// How many digits a trace's identifier has at least to be looked up in indexes, which know it as it was written.
const TRACE_DIGITS: usize = 16;

/// Values of fields that records must have and that indexes know: traces.
pub(super) fn fields(filter: &Filter) -> Vec<(String, String)> {
    match filter {
        Filter::And(parts) => parts.iter().flat_map(fields).collect(),
        Filter::Field {
            name,
            test: FieldTest::Equal(value),
        } if name == "trace_id"
            && value.len() >= TRACE_DIGITS
            && value.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) =>
        {
            vec![(name.clone(), value.clone())]
        }
        _ => Vec::new(),
    }
}

/// The columns that a filter looks at, beside those that are wanted anyway.
pub(super) fn columns(filter: &Filter, wanted: Columns) -> Columns {
    match filter {
        Filter::All => wanted,
        Filter::And(parts) | Filter::Or(parts) => parts.iter().fold(wanted, |wanted, part| columns(part, wanted)),
        Filter::Not(part) => columns(part, wanted),
        Filter::Text(_) | Filter::TextRegex(_) => Columns { raw: true, ..wanted },
        Filter::Field { name, .. } => of_field(name, wanted),
    }
}

/// The columns in which a field may be, beside those that are wanted anyway.
pub(super) fn of_field(name: &str, wanted: Columns) -> Columns {
    match name {
        "level" | "timestamp" | "@timestamp" => wanted,
        "message" => Columns {
            message: true,
            raw: true,
            ..wanted
        },
        _ => Columns {
            origin: wanted.origin || matches!(name, "service" | "host" | "route"),
            trace_id: wanted.trace_id || name == "trace_id",
            stream: true,
            attributes: true,
            ..wanted
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parapet_logs::parse_query;

    #[test]
    fn levels_that_are_needed() {
        for (query, want) in [
            ("level:ERROR", Some(Level::Error..=Level::Error)),
            ("level:>=WARNING AND timeout", Some(Level::Warning..=Level::Critical)),
            ("level:<ERROR level:>DEBUG", Some(Level::Debug..=Level::Error)),
            ("level:(ERROR OR INFO)", Some(Level::Info..=Level::Error)),
            ("level:ERROR OR timeout", None),
            ("NOT level:ERROR", None),
            ("timeout", None),
        ] {
            assert_eq!(levels(&parse_query(query).unwrap()), want, "{query}");
        }
    }

    #[test]
    fn levels_decide() {
        let of = |query: &str| is_of_level(&parse_query(query).unwrap());
        assert!(
            ["", "*", "level:ERROR", "NOT (level:>=WARNING OR level:info)"]
                .into_iter()
                .all(of)
        );
        let others = [
            "timeout",
            "level:ERROR timeout",
            "timestamp:>2026",
            "NOT host:a",
            "level:ERROR OR /x/",
        ];
        assert!(!others.into_iter().any(of));
    }

    #[test]
    fn columns_that_are_looked_at() {
        let of = |query: &str| columns(&parse_query(query).unwrap(), Columns::NONE);
        assert_eq!(of("level:ERROR"), Columns::NONE);
        assert_eq!(
            of("level:ERROR timeout"),
            Columns {
                raw: true,
                ..Columns::NONE
            }
        );
        let trace = of("trace_id:x");
        assert!(trace.trace_id && trace.attributes && trace.stream && !trace.raw && !trace.origin);
        assert!(of("service:a OR b").origin);
    }

    #[test]
    fn traces_are_looked_up() {
        let of = |query: &str| fields(&parse_query(query).unwrap());
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        assert_eq!(
            of(&format!("level:ERROR trace_id:{id}")),
            [("trace_id".to_owned(), id.to_owned())]
        );
        assert_eq!(of(&format!("x OR trace_id:{id}")), []);
        assert_eq!(of("trace_id:ABC"), []);
    }
}
