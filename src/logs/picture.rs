//! The histogram of a search as a picture: a column for each piece of time, its colours the levels.

use super::record::colour;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Counts over time, as the API gives them.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Histogram {
    step_seconds: f64,
    buckets: Vec<Bucket>,
}

#[derive(Clone, Debug, Deserialize)]
struct Bucket {
    time: String,
    count: u64,
    levels: BTreeMap<String, u64>,
}

/// Lines of the picture without its axis.
const HEIGHT: u64 = 6;
/// Eighths of a cell.
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// From the ground up: what matters most is seen wherever there is any.
const ORDER: [&str; 5] = ["CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG"];

/// Draws the counts; `colours` tells levels apart.
pub(super) fn draw(histogram: &Histogram, colours: bool) -> String {
    let most = histogram
        .buckets
        .iter()
        .map(|bucket| bucket.count)
        .max()
        .unwrap_or_default();
    let (Some(first), Some(last)) = (histogram.buckets.first(), histogram.buckets.last()) else {
        return String::new();
    };
    if most == 0 {
        return String::new();
    }
    let scale = most.to_string();
    let mut out = String::new();
    for row in (0..HEIGHT).rev() {
        let label = if row == HEIGHT - 1 { scale.as_str() } else { "" };
        let _ = write!(out, "{label:>width$} │", width = scale.len());
        for bucket in &histogram.buckets {
            cell(&mut out, bucket, row, most, colours);
        }
        out.truncate(out.trim_end_matches(' ').len());
        out.push('\n');
    }
    let columns = histogram.buckets.len();
    let _ = writeln!(out, "{:>width$} └{}", "0", "─".repeat(columns), width = scale.len());
    let step = format!(
        "{} each",
        parapet_model::format_duration_ms(milliseconds(histogram.step_seconds))
    );
    let (left, right) = (clock(&first.time), clock(&last.time));
    let room = columns.saturating_sub(left.len() + right.len()).max(1);
    let middle = if step.len() + 2 <= room {
        format!("{step:^room$}")
    } else {
        " ".repeat(room)
    };
    let _ = writeln!(out, "{:width$}  {left}{middle}{right}", "", width = scale.len());
    out
}

/// One cell of a column: how much of it is filled, in the colour of the level that is there.
fn cell(out: &mut String, bucket: &Bucket, row: u64, most: u64, colours: bool) {
    // Whatever there is fills an eighth at least.
    let eighths = (bucket.count * HEIGHT * 8).div_ceil(most);
    let Some(filled) = eighths.checked_sub(row * 8).filter(|filled| *filled > 0) else {
        out.push(' ');
        return;
    };
    let block = BLOCKS[usize::try_from(filled.min(8) - 1).unwrap_or(7)];
    let mut below = 0;
    let level = ORDER.into_iter().find(|level| {
        below += bucket.levels.get(*level).copied().unwrap_or_default();
        // The level whose share reaches into this cell.
        (below * HEIGHT * 8).div_ceil(most) > row * 8
    });
    match level.map(colour).filter(|_| colours) {
        Some(colour) => {
            let _ = write!(out, "{colour}{block}\x1b[0m");
        }
        None => out.push(block),
    }
}

#[allow(clippy::cast_possible_truncation)]
fn milliseconds(seconds: f64) -> i64 {
    (seconds * 1000.0) as i64
}

/// A time to the second, without its zone.
fn clock(time: &str) -> &str {
    time.get(..19).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram() -> Histogram {
        let bucket = |minute: u32, levels: &[(&str, u64)]| {
            serde_json::json!({
                "time": format!("2026-01-05T10:{minute:02}:00Z"),
                "count": levels.iter().map(|(_, count)| count).sum::<u64>(),
                "levels": levels.iter().copied().collect::<BTreeMap<_, _>>(),
            })
        };
        let mut buckets: Vec<_> = (0..50).map(|minute| bucket(minute, &[])).collect();
        buckets[1] = bucket(1, &[("INFO", 24)]);
        buckets[2] = bucket(2, &[("ERROR", 4), ("INFO", 8)]);
        buckets[49] = bucket(49, &[("WARNING", 1)]);
        serde_json::from_value(serde_json::json!({"step_seconds": 60.0, "buckets": buckets})).unwrap()
    }

    #[test]
    fn columns_of_counts() {
        let want = format!(
            "24 │ █\n   │ █\n   │ █\n   │ ██\n   │ ██\n   │ ██{}▂\n 0 └{}\n    2026-01-05T10:00:00  1m each  2026-01-05T10:49:00\n",
            " ".repeat(46),
            "─".repeat(50)
        );
        let drawn = draw(&histogram(), false);
        let shorten = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(shorten(&drawn), shorten(&want));
        assert!(draw(&histogram(), true).contains("\x1b[31m█\x1b[0m"));
    }

    #[test]
    fn nothing_is_no_picture() {
        let empty = Histogram {
            step_seconds: 1.0,
            buckets: Vec::new(),
        };
        assert_eq!(draw(&empty, true), "");
    }
}
