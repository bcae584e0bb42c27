//! Times and durations as people write them.

use anyhow::{Context as _, bail};
use clap::Args;

/// From when until when.
#[derive(Debug, Args)]
pub(super) struct Window {
    /// From when: RFC 3339, Unix seconds, or before now (-6h) [default: an hour before the end]
    #[arg(long, allow_hyphen_values = true)]
    start: Option<String>,
    /// Until when, in the same forms [default: now]
    #[arg(long, allow_hyphen_values = true)]
    end: Option<String>,
}

const HOUR_MS: i64 = 3_600_000;

impl Window {
    /// Start and end, milliseconds.
    pub(super) fn times(&self, now_ms: i64) -> anyhow::Result<(i64, i64)> {
        let end_ms = parse(self.end.as_deref().unwrap_or("now"), now_ms).context("--end")?;
        let start_ms = match &self.start {
            Some(start) => parse(start, now_ms).context("--start")?,
            None => end_ms - HOUR_MS,
        };
        if start_ms > end_ms {
            bail!("--start is after --end");
        }
        Ok((start_ms, end_ms))
    }

    /// The times as parameters of the API.
    pub(super) fn form(&self, now_ms: i64) -> anyhow::Result<Vec<(&'static str, String)>> {
        let (start_ms, end_ms) = self.times(now_ms)?;
        Ok(vec![
            ("start", format_seconds(start_ms)),
            ("end", format_seconds(end_ms)),
        ])
    }
}

/// From when until when, where everything is meant unless something is said.
#[derive(Debug, Args)]
pub(crate) struct Bounds {
    /// From this time on: RFC 3339, Unix seconds, or before now (-7d) [default: the first sample]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    start: Option<String>,
    /// Up to this time, in the same forms [default: the last sample]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    end: Option<String>,
}

impl Bounds {
    /// Start and end, milliseconds; both are included.
    pub(crate) fn times(&self, now_ms: i64) -> anyhow::Result<(Option<i64>, Option<i64>)> {
        let time = |text: &Option<String>, name: &'static str| {
            let parsed = text.as_deref().map(|text| parse(text, now_ms).context(name));
            parsed.transpose()
        };
        let (start_ms, end_ms) = (time(&self.start, "--start")?, time(&self.end, "--end")?);
        if start_ms.zip(end_ms).is_some_and(|(start, end)| start > end) {
            bail!("--start is after --end");
        }
        Ok((start_ms, end_ms))
    }
}

/// A time: `now`, RFC 3339, Unix seconds, or a duration before now.
pub(crate) fn parse(text: &str, now_ms: i64) -> anyhow::Result<i64> {
    if text == "now" {
        return Ok(now_ms);
    }
    if let Some(before) = text.strip_prefix('-')
        && let Ok(before_ms) = parapet_model::parse_duration_ms(before)
    {
        return Ok(now_ms - before_ms);
    }
    if let Ok(time) = chrono::DateTime::parse_from_rfc3339(text) {
        return Ok(time.timestamp_millis());
    }
    match text.parse::<f64>() {
        // Up to the year 9999.
        Ok(seconds) if (0.0..253_402_300_800.0).contains(&seconds) => Ok(whole_ms(seconds)),
        _ => bail!("{text:?} is no time; write 2026-01-05T10:00:00Z, Unix seconds, -1h (an hour ago) or now"),
    }
}

/// A step: a duration, or seconds.
pub(super) fn parse_step(text: &str) -> anyhow::Result<i64> {
    let step_ms = match text.parse::<f64>() {
        Ok(seconds) if (0.0..1e9).contains(&seconds) => whole_ms(seconds),
        _ => parapet_model::parse_duration_ms(text).unwrap_or(0),
    };
    if step_ms == 0 {
        bail!("--step {text:?} is no duration above 0; write 30s, 5m or a number of seconds");
    }
    Ok(step_ms)
}

#[allow(clippy::cast_possible_truncation)] // the callers have looked
fn whole_ms(seconds: f64) -> i64 {
    (seconds * 1000.0).round() as i64
}

/// Milliseconds as the seconds of the API.
pub(crate) fn format_seconds(ms: i64) -> String {
    format!("{}.{:03}", ms.div_euclid(1000), ms.rem_euclid(1000))
}

/// A time for people, in UTC.
pub(crate) fn format_time(ms: i64, form: &str) -> String {
    chrono::DateTime::from_timestamp_millis(ms).map_or_else(|| ms.to_string(), |time| time.format(form).to_string())
}

/// A label's name as it stands in a path: what no classic name has is escaped (`U__`), as Prometheus reads it.
pub(super) fn escape_label(name: &str) -> String {
    if parapet_model::is_legacy_label_name(name) {
        return name.to_owned();
    }
    let mut escaped = String::from("U__");
    for (at, c) in name.chars().enumerate() {
        match c {
            '_' => escaped.push_str("__"),
            'a'..='z' | 'A'..='Z' => escaped.push(c),
            '0'..='9' if at > 0 => escaped.push(c),
            _ => escaped.push_str(&format!("_{:x}_", u32::from(c))),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let now = 1_767_571_200_000;
        for (text, want) in [
            ("now", now),
            ("-1h30m", now - 5_400_000),
            ("2026-01-05T00:00:00Z", now),
            ("2026-01-05T01:00:00.5+01:00", now + 500),
            ("1767571200.25", now + 250),
            ("0", 0),
        ] {
            assert_eq!(parse(text, now).unwrap(), want, "{text}");
        }
        for text in ["", "yesterday", "-", "-1", "nan", "2026-01-05", "1e300"] {
            assert!(
                parse(text, now).unwrap_err().to_string().contains("is no time"),
                "{text}"
            );
        }
        assert_eq!(parse_step("15").unwrap(), 15_000);
        assert_eq!(parse_step("1h30m").unwrap(), 5_400_000);
        assert!(parse_step("0").is_err() && parse_step("soon").is_err());
        assert_eq!(format_seconds(1_500), "1.500");
        assert_eq!(format_seconds(-500), "-1.500");
    }

    #[test]
    fn label_names_in_paths() {
        assert_eq!(escape_label("job"), "job");
        assert_eq!(escape_label("http.status_code"), "U__http_2e_status__code");
    }
}
