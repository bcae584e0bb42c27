//! A line for people.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// A record as the API gives it.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Record {
    pub(super) timestamp: String,
    #[serde(default)]
    level: String,
    #[serde(default)]
    service: String,
    #[serde(default)]
    host: String,
    #[serde(default)]
    trace_id: String,
    pub(super) line: String,
    #[serde(default)]
    stream: BTreeMap<String, String>,
    #[serde(default)]
    fields: BTreeMap<String, String>,
}

/// How lines are shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    pub(super) colours: bool,
    /// Labels and fields below each line.
    pub(super) fields: bool,
}

const RESET: &str = "\x1b[0m";
const DIM: &str = "\x1b[2m";

/// The colour of a level.
pub(super) fn colour(level: &str) -> &'static str {
    match level {
        "CRITICAL" => "\x1b[1;31m",
        "ERROR" => "\x1b[31m",
        "WARNING" => "\x1b[33m",
        "INFO" => "\x1b[32m",
        "DEBUG" => "\x1b[36m",
        _ => "",
    }
}

impl Record {
    /// Time, level, where it is from, and the line.
    pub(super) fn text(&self, style: Style) -> String {
        let paint = |colour: &str, text: &str| match (style.colours, colour.is_empty() || text.is_empty()) {
            (true, false) => format!("{colour}{text}{RESET}"),
            _ => text.to_owned(),
        };
        let origin = [self.service.as_str(), self.host.as_str()];
        let origin: Vec<&str> = origin.into_iter().filter(|name| !name.is_empty()).collect();
        let mut text = paint(DIM, &self.timestamp);
        if !self.level.is_empty() {
            let _ = write!(text, " {}", paint(colour(&self.level), &format!("{:<8}", self.level)));
        }
        if !origin.is_empty() {
            let _ = write!(text, " {}", paint("\x1b[34m", &origin.join("@")));
        }
        let _ = writeln!(text, " {}", shown(&self.line));
        if style.fields {
            let trace = (!self.trace_id.is_empty()).then_some(("trace_id", self.trace_id.as_str()));
            let stream = self.stream.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            let fields = self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            for (name, value) in trace.into_iter().chain(stream).chain(fields) {
                let _ = writeln!(text, "    {} {}", paint(DIM, &format!("{name}:")), shown(value));
            }
        }
        text
    }
}

/// A text without what a terminal would take for orders; line breaks stay.
fn shown(text: &str) -> String {
    let shown = |c: char| match c {
        '\n' | '\t' => c,
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_for_people() {
        let record: Record = serde_json::from_value(serde_json::json!({
            "timestamp": "2026-01-05T10:00:00Z", "level": "ERROR", "service": "web", "host": "h1",
            "line": "it \u{1b}[31mfailed", "stream": {"app": "web"}, "fields": {"status": "500"},
        }))
        .unwrap();
        let style = Style {
            colours: false,
            fields: true,
        };
        assert_eq!(
            record.text(style),
            "2026-01-05T10:00:00Z ERROR    web@h1 it \u{fffd}[31mfailed\n    app: web\n    status: 500\n"
        );
        let style = Style {
            colours: true,
            fields: false,
        };
        assert!(record.text(style).contains("\x1b[31mERROR   \x1b[0m"));
    }
}
