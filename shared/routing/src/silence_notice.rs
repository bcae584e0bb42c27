//! The alert about a silence that is about to end. Alertmanager has none; this is an extra.

use crate::{Silence, SilenceMatcher, SilenceState};
use chrono::{DateTime, SecondsFormat};
use parapet_model::{Alert, Labels, quote};

/// The alert's name.
pub const SILENCE_NOTICE: &str = "ParapetSilenceEnding";

/// How long it fires unless it is stated again, milliseconds: it is, each minute.
const STATED_MS: i64 = 4 * 60_000;

impl Silence {
    /// The alert that says that the silence ends soon: from `notice_ms` before its end on, unless its whole life is no
    /// longer than that. It takes its way through the routes like any other; its labels are `alertname`, `created_by`,
    /// `severity` and `silence_id`.
    #[must_use]
    pub fn notice(&self, notice_ms: i64, now_ms: i64) -> Option<Alert> {
        let ends_at_ms = self.ends_at_ms?;
        let starts_at_ms = ends_at_ms.saturating_sub(notice_ms);
        let is_short = self.starts_at_ms.is_some_and(|starts| starts >= starts_at_ms);
        if self.state(now_ms) != SilenceState::Active || is_short || now_ms < starts_at_ms {
            return None;
        }
        let ends = DateTime::from_timestamp_millis(ends_at_ms)?.to_rfc3339_opts(SecondsFormat::Secs, true);
        let sets: Vec<String> = self.matcher_sets.iter().map(|set| matchers(set)).collect();
        let description = format!(
            "{} is silenced until {ends}: {}",
            sets.join(" or "),
            if self.comment.is_empty() {
                "no comment"
            } else {
                &self.comment
            }
        );
        Some(Alert {
            labels: Labels::from_pairs([
                ("alertname", SILENCE_NOTICE),
                ("created_by", &self.created_by),
                ("severity", "info"),
                ("silence_id", &self.id),
            ]),
            annotations: Labels::from_pairs([
                ("description", description),
                ("summary", format!("a silence of {} ends at {ends}", self.created_by)),
            ]),
            starts_at_ms,
            ends_at_ms: ends_at_ms.min(now_ms.saturating_add(STATED_MS)),
            updated_at_ms: now_ms,
            generator_url: String::new(),
        })
    }
}

/// `{alertname="Down",instance=~"a.*"}`
fn matchers(set: &[SilenceMatcher]) -> String {
    let matchers: Vec<String> = set
        .iter()
        .map(|matcher| {
            let op = match (matcher.is_equal, matcher.is_regex) {
                (true, false) => "=",
                (false, false) => "!=",
                (true, true) => "=~",
                (false, true) => "!~",
            };
            format!("{}{op}{}", matcher.name, quote(&matcher.value))
        })
        .collect();
    format!("{{{}}}", matchers.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;

    fn silence(starts_at_ms: i64, ends_at_ms: i64) -> Silence {
        Silence {
            id: "s1".to_owned(),
            matcher_sets: vec![vec![SilenceMatcher {
                name: "alertname".to_owned(),
                value: "Down|\"x\"".to_owned(),
                is_regex: true,
                is_equal: true,
            }]],
            starts_at_ms: Some(starts_at_ms),
            ends_at_ms: Some(ends_at_ms),
            created_by: "alice".to_owned(),
            comment: "new disks".to_owned(),
            ..Silence::default()
        }
    }

    #[test]
    fn is_told_before_the_end_and_not_after() {
        let silence = silence(0, 60 * MINUTE);
        assert_eq!(silence.notice(15 * MINUTE, 45 * MINUTE - 1), None);
        let first = silence.notice(15 * MINUTE, 45 * MINUTE).unwrap();
        let last = silence.notice(15 * MINUTE, 60 * MINUTE - 1).unwrap();
        // One alert, stated again and again.
        assert_eq!((&first.labels, first.starts_at_ms), (&last.labels, last.starts_at_ms));
        assert_eq!((first.starts_at_ms, first.ends_at_ms), (45 * MINUTE, 49 * MINUTE));
        assert_eq!(last.ends_at_ms, 60 * MINUTE);
        assert_eq!(silence.notice(15 * MINUTE, 60 * MINUTE), None);
        assert_eq!(
            first.annotations.get("description"),
            Some(r#"{alertname=~"Down|\"x\""} is silenced until 1970-01-01T01:00:00Z: new disks"#)
        );
        assert_eq!(
            first.labels.to_string(),
            r#"{alertname="ParapetSilenceEnding", created_by="alice", severity="info", silence_id="s1"}"#
        );
    }

    #[test]
    fn a_short_silence_has_no_notice() {
        assert_eq!(silence(0, 15 * MINUTE).notice(15 * MINUTE, 5 * MINUTE), None);
        assert!(silence(0, 15 * MINUTE + 1).notice(15 * MINUTE, 5 * MINUTE).is_some());
    }
}
