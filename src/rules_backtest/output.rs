//! What a backtest prints.

use super::Backtest;
use super::pages::Pages;
use crate::table::Table;
use parapet_gotemplate::Time;
use parapet_rules::replay::Span;
use std::fmt::Write as _;
use std::io::IsTerminal as _;

/// A line on a terminal that says how far the replay is.
pub(super) struct Progress {
    span: Span,
    shown: i64,
    is_terminal: bool,
}

impl Progress {
    pub(super) fn new(span: Span) -> Self {
        Self {
            span,
            shown: -1,
            is_terminal: std::io::stderr().is_terminal(),
        }
    }

    #[allow(clippy::print_stderr)]
    pub(super) fn show(&mut self, at_ms: i64) {
        let percent = (at_ms - self.span.from_ms) * 100 / (self.span.to_ms - self.span.from_ms).max(1);
        if !self.is_terminal || percent == self.shown {
            return;
        }
        self.shown = percent;
        let filled = usize::try_from(percent.clamp(0, 100) / 4).unwrap_or(0);
        eprint!("\r[{:<25}] {percent:>3} %  {}", "#".repeat(filled), utc(at_ms));
        let _ = std::io::Write::flush(&mut std::io::stderr());
    }

    #[allow(clippy::print_stderr)]
    pub(super) fn end(&self) {
        if self.is_terminal {
            eprint!("\r{:60}\r", "");
        }
    }
}

/// Says something beside the output.
#[allow(clippy::print_stderr)]
pub(super) fn note(text: &str) {
    eprintln!("note: {text}");
}

/// What fired, and who was paged.
pub(super) fn text(backtest: &Backtest, span: Span, markdown: bool) -> String {
    let timeline = &backtest.timeline;
    let mut table = Table::new(["fired", "resolved", "lasted", "alert", "labels"]).numbers(&["lasted"]);
    for episode in &timeline.episodes {
        let end_ms = episode.resolved_at_ms.unwrap_or(span.to_ms);
        table.row([
            utc(episode.fired_at_ms),
            episode.resolved_at_ms.map_or_else(|| "-".to_owned(), utc),
            parapet_model::format_duration_ms((end_ms - episode.fired_at_ms) / 1000 * 1000),
            episode.labels.get("alertname").unwrap_or_default().to_owned(),
            episode.labels.without(|name| name == "alertname").to_string(),
        ]);
    }
    let mut text = match table.is_empty() {
        true => "Nothing would have fired.\n".to_owned(),
        false => print_table(&table, markdown),
    };
    for table in backtest.pages.iter().flat_map(Pages::tables) {
        let _ = write!(text, "\n{}", print_table(&table, markdown));
    }
    if markdown || backtest.pages.is_some() {
        text.push('\n');
    }
    for ((group, rule, error), count) in &timeline.errors {
        let _ = writeln!(text, "{group}/{rule} failed {count} times: {error}");
    }
    let pages = match &backtest.pages {
        Some(pages) => format!(", {} pages", pages.pages.len()),
        None => String::new(),
    };
    let _ = writeln!(
        text,
        "{} to {}: {} evaluations, {} times an alert fired{pages}",
        utc(span.from_ms),
        utc(span.to_ms),
        timeline.evaluations,
        timeline.episodes.len()
    );
    text
}

pub(super) fn print_table(table: &Table, markdown: bool) -> String {
    if markdown { table.markdown() } else { table.aligned() }
}

pub(super) fn json(backtest: &Backtest, span: Span) -> anyhow::Result<String> {
    let mut whole = json_value(backtest);
    whole["from"] = utc(span.from_ms).into();
    whole["to"] = utc(span.to_ms).into();
    Ok(serde_json::to_string_pretty(&whole)? + "\n")
}

/// What fired and who was paged; `receivers`, `pages` and `heldBack` only where there is an alertmanager.yml.
pub(super) fn json_value(backtest: &Backtest) -> serde_json::Value {
    let timeline = &backtest.timeline;
    let episodes: Vec<serde_json::Value> = timeline
        .episodes
        .iter()
        .map(|episode| {
            serde_json::json!({
                "file": episode.file,
                "group": episode.group,
                "labels": episode.labels,
                "annotations": episode.annotations,
                "activeAt": utc(episode.active_at_ms),
                "firedAt": utc(episode.fired_at_ms),
                "resolvedAt": episode.resolved_at_ms.map(utc),
                "value": parapet_model::format_float(episode.value),
            })
        })
        .collect();
    let errors: Vec<serde_json::Value> = timeline
        .errors
        .iter()
        .map(|((group, rule, error), count)| {
            serde_json::json!({"group": group, "rule": rule, "error": error, "evaluations": count})
        })
        .collect();
    let mut whole = serde_json::json!({
        "evaluations": timeline.evaluations,
        "alerts": episodes,
        "errors": errors,
    });
    if let (Some(pages), Some(whole)) = (&backtest.pages, whole.as_object_mut())
        && let serde_json::Value::Object(pages) = pages.json()
    {
        whole.extend(pages);
    }
    whole
}

/// A time to the second.
pub(super) fn utc(at_ms: i64) -> String {
    Time::from_millis(at_ms.div_euclid(1000) * 1000).to_rfc3339()
}
