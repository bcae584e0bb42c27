//! From what the YAML reader says to what a person can act on.

use crate::ConfigError;
use serde_saphyr::{Error as Yaml, Location};

/// Fields that Alertmanager 0.34 has and this version does not carry out. They are refused by name: a page that is
/// configured and never sent is worse than a start that fails.
const UNSUPPORTED: &[&str] = &["tracing", "event_recorder", "client_certificate_key", "claims"];

/// Turns the reader's error into ours.
pub(super) fn from_yaml(path: &str, error: &Yaml) -> ConfigError {
    let location = error.location();
    let (message, unsupported) = match error {
        Yaml::SerdeUnknownField { field, .. } if UNSUPPORTED.contains(&field.as_str()) => {
            (format!("{field} is not supported yet; remove it"), true)
        }
        Yaml::SerdeUnknownField { field, expected, .. } => (unknown_field(field, expected), false),
        Yaml::SerdeMissingField { field, .. } => (format!("{field} is missing; add it"), false),
        Yaml::DuplicateMappingKey { key, .. } => {
            let key = key.as_deref().unwrap_or("a key");
            (format!("{key} stands twice in one mapping; remove one"), false)
        }
        Yaml::SerdeInvalidType {
            unexpected, expected, ..
        } => (format!("found {unexpected}; write {expected}"), false),
        Yaml::Message { msg, .. } => (msg.clone(), false),
        Yaml::AliasError { error, .. } => return from_yaml(path, error),
        // The reader's own words, without its drawing of the place.
        other => (plain(other), false),
    };
    at(path, location, message, unsupported)
}

/// An error at a place.
pub(super) fn at(path: &str, location: Option<Location>, message: String, unsupported: bool) -> ConfigError {
    let (line, column) = location.map_or((0, 0), |place| (place.line(), place.column()));
    ConfigError {
        path: path.to_owned(),
        line,
        column,
        message,
        unsupported,
    }
}

fn plain(error: &Yaml) -> String {
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default();
    let first = first.strip_prefix("error: ").unwrap_or(first);
    // "… at line 3, column 5": the place is printed in front already.
    first.split(" at line ").next().unwrap_or(first).trim().to_owned()
}

fn unknown_field(field: &str, expected: &[&str]) -> String {
    let nearest = expected
        .iter()
        .map(|name| (distance(field, name), *name))
        .min()
        .filter(|(distance, name)| *distance <= 1 + name.len() / 4);
    match nearest {
        Some((_, name)) => format!("unknown field {field}; did you mean {name}?"),
        None if expected.is_empty() => format!("unknown field {field}; remove it"),
        None => format!("unknown field {field}; possible are {}", expected.join(", ")),
    }
}

/// Levenshtein distance, in bytes, of short names.
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (&a.as_bytes()[..a.len().min(64)], &b.as_bytes()[..b.len().min(64)]);
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substitute = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substitute.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_distance() {
        for (a, b, want) in [
            ("", "", 0),
            ("a", "", 1),
            ("group_wiat", "group_wait", 2),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(a, b), want, "{a} {b}");
        }
    }
}
