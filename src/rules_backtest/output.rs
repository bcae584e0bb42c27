//! What a backtest prints.

use parapet_gotemplate::Time;
use parapet_rules::replay::{Span, Timeline};
use std::io::{IsTerminal as _, Write as _};

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
        let _ = std::io::stderr().flush();
    }

    #[allow(clippy::print_stderr)]
    pub(super) fn end(&self) {
        if self.is_terminal {
            eprint!("\r{:60}\r", "");
        }
    }
}

#[allow(clippy::print_stdout)]
pub(super) fn table(timeline: &Timeline, span: Span) {
    let mut rows = vec![["FIRED", "RESOLVED", "LASTED", "ALERT", "LABELS"].map(str::to_owned)];
    for episode in &timeline.episodes {
        let end_ms = episode.resolved_at_ms.unwrap_or(span.to_ms);
        rows.push([
            utc(episode.fired_at_ms),
            episode.resolved_at_ms.map_or_else(|| "-".to_owned(), utc),
            parapet_model::format_duration_ms((end_ms - episode.fired_at_ms) / 1000 * 1000),
            episode.labels.get("alertname").unwrap_or_default().to_owned(),
            episode.labels.without(|name| name == "alertname").to_string(),
        ]);
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2), width(3)];
    if timeline.episodes.is_empty() {
        println!("Nothing would have fired.");
    } else {
        for [fired, resolved, lasted, alert, labels] in &rows {
            let [a, b, c, d] = widths;
            println!("{fired:<a$}  {resolved:<b$}  {lasted:>c$}  {alert:<d$}  {labels}");
        }
    }
    for ((group, rule, error), count) in &timeline.errors {
        println!("{group}/{rule} failed {count} times: {error}");
    }
    println!(
        "{} to {}: {} evaluations, {} times an alert fired",
        utc(span.from_ms),
        utc(span.to_ms),
        timeline.evaluations,
        timeline.episodes.len()
    );
}

#[allow(clippy::print_stdout)]
pub(super) fn json(timeline: &Timeline, span: Span) -> anyhow::Result<()> {
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
    let whole = serde_json::json!({
        "from": utc(span.from_ms),
        "to": utc(span.to_ms),
        "evaluations": timeline.evaluations,
        "alerts": episodes,
        "errors": errors,
    });
    println!("{}", serde_json::to_string_pretty(&whole)?);
    Ok(())
}

/// A time to the second.
fn utc(at_ms: i64) -> String {
    Time::from_millis(at_ms.div_euclid(1000) * 1000).to_rfc3339()
}
