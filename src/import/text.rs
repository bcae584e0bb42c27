//! OpenMetrics and Prometheus' text format, with timestamps.

mod pieces;

use super::Format;
use super::sink::Sink;
use anyhow::{Context as _, anyhow, bail};
use parapet_exposition::{Entry, FamilyTracker, Format as Syntax, Limits, Parser, Place};
use parapet_model::{Exemplar, Labels, Sample};
use pieces::{Piece, Pieces};
use std::fs::File;
use std::io::{Read, Seek as _, SeekFrom};
use std::path::Path;

/// Imports a file of text, or standard input.
pub(super) fn import(path: &Path, format: Format, sink: &mut Sink<'_>) -> anyhow::Result<()> {
    let is_stdin = path.as_os_str() == "-";
    let (mut input, length): (Box<dyn Read>, u64) = match is_stdin {
        true => (Box::new(std::io::stdin().lock()), 0),
        false => {
            let file = File::open(path)?;
            let length = file.metadata()?.len();
            (Box::new(file), length)
        }
    };
    let syntax = match format {
        Format::Openmetrics => Syntax::OpenMetrics,
        Format::Prometheus => Syntax::PrometheusText,
        Format::Auto if is_stdin || ends_with_eof(path)? => Syntax::OpenMetrics,
        Format::Auto => Syntax::PrometheusText,
    };
    sink.show_progress(path.display().to_string(), length, "{bytes}/{total_bytes}");
    let mut pieces = Pieces::new(&mut input);
    while let Some(piece) = pieces.next_piece()? {
        import_piece(&piece, syntax, sink)?;
        sink.progress.inc(piece.text().len() as u64);
    }
    sink.flush()
}

/// Whether a file is OpenMetrics: nothing else ends so.
fn ends_with_eof(path: &Path) -> anyhow::Result<bool> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(16)))?;
    let mut end = Vec::new();
    file.read_to_end(&mut end)?;
    Ok(end.trim_ascii_end().ends_with(b"# EOF"))
}

fn import_piece(piece: &Piece<'_>, syntax: Syntax, sink: &mut Sink<'_>) -> anyhow::Result<()> {
    let body = piece.body(syntax == Syntax::OpenMetrics);
    let mut parser = Parser::new(&body, syntax, &Limits::default());
    let mut tracker = FamilyTracker::default();
    loop {
        let entry = parser.next_entry().map_err(|error| {
            let place = match error.place {
                Place::Line { line, column } => Place::Line {
                    line: piece.line(line),
                    column,
                },
                byte => byte,
            };
            anyhow!("{place}: {}", error.message)
        })?;
        match entry {
            None => return Ok(()),
            Some(Entry::Series(series)) => {
                let line = || {
                    let before = series.raw.as_ptr().addr() - body.as_ptr().addr();
                    piece.line(body[..before].iter().filter(|byte| **byte == b'\n').count() + 1)
                };
                let labels = series
                    .to_labels()
                    .map_err(|name| anyhow!("line {}: the label {name:?} stands twice", line()))?;
                let Some(timestamp_ms) = series.timestamp_ms else {
                    bail!(
                        "line {}: {labels} has no timestamp; write one after the value, in {}",
                        line(),
                        if syntax == Syntax::OpenMetrics {
                            "seconds"
                        } else {
                            "milliseconds"
                        }
                    );
                };
                let exemplar = series.exemplar.as_ref().map(|exemplar| Exemplar {
                    labels: Labels::from_pairs(exemplar.labels.iter().map(|(name, value)| (&**name, &**value))),
                    value: exemplar.value,
                    timestamp_ms: exemplar.timestamp_ms.unwrap_or(timestamp_ms),
                    has_timestamp: exemplar.timestamp_ms.is_some(),
                });
                let kind = tracker.kind_of(&series.name);
                sink.push_one(&labels, kind, Sample::float(timestamp_ms, series.value), exemplar)
                    .with_context(|| format!("line {}", line()))?;
            }
            Some(entry) => tracker.note(&entry),
        }
    }
}
