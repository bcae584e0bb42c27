//! What is told of a test that fails, in promtool's words.

use super::samples::{ShownSample, show_labels};
use parapet_model::Labels;
use std::fmt::{self, Write as _};

/// One thing that is not as a test expects it. `Display` is promtool's text.
#[derive(Clone, Debug)]
pub struct Failure(pub(super) Reason);

#[derive(Clone, Debug)]
pub(super) enum Reason {
    /// The test itself cannot be run.
    Input(String),
    /// A rule failed; then the test is over.
    Rule { rule: String, at_ms: i64, error: String },
    /// Other alerts fire than expected.
    Alerts {
        test: String,
        alertname: String,
        at_ms: i64,
        expected: Vec<(Labels, Labels)>,
        got: Vec<(Labels, Labels)>,
    },
    /// An expression cannot be answered.
    Expression { expr: String, at_ms: i64, error: String },
    /// An expression gives other samples than expected.
    Samples {
        expr: String,
        at_ms: i64,
        expected: Vec<ShownSample>,
        got: Vec<ShownSample>,
    },
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let duration = parapet_model::format_duration_ms;
        let quote = parapet_model::quote;
        match &self.0 {
            Reason::Input(message) => write!(f, "    {message}"),
            Reason::Rule { rule, at_ms, error } => {
                write!(f, "    rule: {rule}, time: {}, err: {error}", go_duration(*at_ms))
            }
            Reason::Alerts {
                alertname,
                at_ms,
                expected,
                got,
                ..
            } => {
                let (expected, got) = (alerts_text(expected), alerts_text(got));
                write!(
                    f,
                    "{}    alertname: {alertname}, time: {}, \n        exp:{expected}, \n        got:{got}",
                    self.test_name(),
                    duration(*at_ms)
                )
            }
            Reason::Expression { expr, at_ms, error } => {
                write!(f, "    expr: {}, time: {}, err: {error}", quote(expr), duration(*at_ms))
            }
            Reason::Samples {
                expr,
                at_ms,
                expected,
                got,
            } => write!(
                f,
                "    expr: {}, time: {},\n        exp: {}\n        got: {}",
                quote(expr),
                duration(*at_ms),
                samples_text(expected),
                samples_text(got)
            ),
        }
    }
}

impl Failure {
    fn test_name(&self) -> String {
        match &self.0 {
            Reason::Alerts { test, .. } if !test.is_empty() => format!("    name: {test},\n"),
            _ => String::new(),
        }
    }

    /// The same, but expectation and outcome as one list of lines: ` ` for what both have, `-` for what is missing,
    /// `+` for what nobody expected.
    #[must_use]
    pub fn diff(&self) -> String {
        let (head, expected, got) = match &self.0 {
            Reason::Alerts {
                alertname,
                at_ms,
                expected,
                got,
                ..
            } => (
                format!(
                    "{}    alertname: {alertname}, time: {}, diff:",
                    self.test_name(),
                    parapet_model::format_duration_ms(*at_ms)
                ),
                expected.iter().flat_map(alert_lines).collect::<Vec<_>>(),
                got.iter().flat_map(alert_lines).collect::<Vec<_>>(),
            ),
            Reason::Samples {
                expr,
                at_ms,
                expected,
                got,
            } => (
                format!(
                    "    expr: {}, time: {}, diff:",
                    parapet_model::quote(expr),
                    parapet_model::format_duration_ms(*at_ms)
                ),
                expected.iter().map(ToString::to_string).collect(),
                got.iter().map(ToString::to_string).collect(),
            ),
            _ => return self.to_string(),
        };
        let mut text = head;
        for (mark, line) in diff(&expected, &got) {
            let _ = write!(text, "\n      {mark} {line}");
        }
        text
    }
}

/// The lines of both lists, by their longest common subsequence.
fn diff<'a>(expected: &'a [String], got: &'a [String]) -> Vec<(char, &'a str)> {
    let (rows, columns) = (expected.len(), got.len());
    let mut common = vec![vec![0usize; columns + 1]; rows + 1];
    for row in (0..rows).rev() {
        for column in (0..columns).rev() {
            common[row][column] = if expected[row] == got[column] {
                common[row + 1][column + 1] + 1
            } else {
                common[row + 1][column].max(common[row][column + 1])
            };
        }
    }
    let (mut row, mut column, mut lines) = (0, 0, Vec::new());
    while row < rows || column < columns {
        if row < rows && column < columns && expected[row] == got[column] {
            lines.push((' ', expected[row].as_str()));
            (row, column) = (row + 1, column + 1);
        } else if row < rows && (column == columns || common[row + 1][column] >= common[row][column + 1]) {
            lines.push(('-', expected[row].as_str()));
            row += 1;
        } else {
            lines.push(('+', got[column].as_str()));
            column += 1;
        }
    }
    lines
}

/// An alert, a label or an annotation a line.
fn alert_lines((labels, annotations): &(Labels, Labels)) -> Vec<String> {
    let name = labels.get("alertname").unwrap_or_default();
    let mut lines = vec![format!("alert {name}")];
    for (title, list) in [("label", labels), ("annotation", annotations)] {
        let pairs = list.iter().filter(|(name, _)| *name != "alertname");
        lines.extend(pairs.map(|(name, value)| format!("  {title} {name}: {value}")));
    }
    lines
}

const ALERT_INDENT: &str = "            ";

fn alerts_text(alerts: &[(Labels, Labels)]) -> String {
    if alerts.is_empty() {
        return "[]".to_owned();
    }
    let mut text = format!("[\n{ALERT_INDENT}");
    for (number, (labels, annotations)) in alerts.iter().enumerate() {
        if number > 0 {
            let _ = write!(text, ",\n{ALERT_INDENT}");
        }
        let _ = write!(
            text,
            "{number}:\n{ALERT_INDENT}  Labels:{}\n{ALERT_INDENT}  Annotations:{}",
            show_labels(labels),
            show_labels(annotations)
        );
    }
    text + "\n" + ALERT_INDENT + "]"
}

fn samples_text(samples: &[ShownSample]) -> String {
    if samples.is_empty() {
        return "nil".to_owned();
    }
    samples.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// `time.Duration.String` of Go, for whole milliseconds.
fn go_duration(duration_ms: i64) -> String {
    if duration_ms == 0 {
        return "0s".to_owned();
    }
    let sign = if duration_ms < 0 { "-" } else { "" };
    let left = duration_ms.unsigned_abs();
    if left < 1000 {
        return format!("{sign}{left}ms");
    }
    let (hours, minutes, millis) = (left / 3_600_000, left / 60_000 % 60, left % 60_000);
    let mut seconds = format!("{}.{:03}", millis / 1000, millis % 1000);
    seconds.truncate(seconds.trim_end_matches('0').trim_end_matches('.').len());
    match (hours, minutes) {
        (0, 0) => format!("{sign}{seconds}s"),
        (0, _) => format!("{sign}{minutes}m{seconds}s"),
        _ => format!("{sign}{hours}h{minutes}m{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_go_writes_them() {
        let shown = [0, 1, 60_000, 3_661_500, 90_000, 10_000].map(go_duration);
        assert_eq!(shown, ["0s", "1ms", "1m0s", "1h1m1.5s", "1m30s", "10s"]);
    }

    #[test]
    fn a_diff_shows_what_is_missing_and_what_is_too_much() {
        let lines = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let (a, b) = (lines("a b c d"), lines("a x c e d"));
        let shown: Vec<String> = diff(&a, &b)
            .iter()
            .map(|(mark, line)| format!("{mark}{line}"))
            .collect();
        assert_eq!(shown, [" a", "-b", "+x", " c", "+e", " d"]);
    }
}
