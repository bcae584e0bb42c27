//! Rows as the stories of alerts.

use crate::{Event, Row};
use parapet_model::Labels;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// What happened to one alert from when it began to fire until it was over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Story {
    /// The alert.
    pub labels: Labels,
    /// Its identity.
    pub fingerprint: String,
    /// Since when it fired, milliseconds since the Unix epoch.
    #[serde(rename = "starts_at", with = "crate::time")]
    pub starts_at_ms: i64,
    /// Since when it is over; `None` where no row says so.
    #[serde(rename = "ended_at", with = "crate::time::optional")]
    pub ended_at_ms: Option<i64>,
    /// The decisions, in order of time.
    pub steps: Vec<Row>,
}

/// The stories that rows tell, in the order in which they began. A row that is there twice tells once.
#[must_use]
pub fn stories(rows: Vec<Row>) -> Vec<Story> {
    let (mut seen, mut told) = (BTreeSet::new(), BTreeMap::<(i64, String), Vec<Row>>::new());
    for row in rows {
        if seen.insert(row.id.clone()) {
            told.entry((row.starts_at_ms, row.fingerprint.clone()))
                .or_default()
                .push(row);
        }
    }
    let story = |((starts_at_ms, fingerprint), mut steps): ((i64, String), Vec<Row>)| {
        steps.sort_by(|a, b| {
            let key = |row: &Row| (row.at_ms, row.event);
            (key(a), &a.receiver, &a.integration).cmp(&(key(b), &b.receiver, &b.integration))
        });
        Story {
            labels: steps.first().map(|row| row.labels.clone()).unwrap_or_default(),
            fingerprint,
            starts_at_ms,
            ended_at_ms: steps.iter().filter_map(|row| row.ended_at_ms).min(),
            steps,
        }
    };
    told.into_iter().map(story).collect()
}

impl Story {
    /// Whether the alert fired at a moment.
    #[must_use]
    pub fn fires_at(&self, at_ms: i64) -> bool {
        self.starts_at_ms <= at_ms && self.ended_at_ms.is_none_or(|ended_ms| at_ms <= ended_ms)
    }

    /// The last word for each receiver and integration, in a sentence each.
    #[must_use]
    pub fn verdicts(&self) -> Vec<String> {
        let mut receivers: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
        for row in &self.steps {
            receivers.entry(&row.receiver).or_default().push(row);
        }
        receivers
            .into_iter()
            .flat_map(|(receiver, rows)| verdicts(receiver, &rows))
            .collect()
    }
}

fn verdicts(receiver: &str, rows: &[&Row]) -> Vec<String> {
    let mut integrations: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for row in rows.iter().filter(|row| !row.delivery.is_empty()) {
        integrations.entry(&row.integration).or_default().push(row);
    }
    if integrations.is_empty() {
        let mut held: Vec<String> = Vec::new();
        for row in rows {
            match row.event {
                Event::Released => held.clear(),
                event if is_hold(event) => held.push(held_back(row)),
                _ => {}
            }
        }
        let unchanged = rows.iter().rev().find(|row| row.event == Event::Deduplicated);
        let why = match (held.is_empty(), unchanged) {
            (false, _) => held.join("; "),
            (true, Some(row)) => row.reason.clone(),
            (true, None) => "it waits for its group, or nobody is to be told".to_owned(),
        };
        return vec![format!("{receiver} was not told: {why}")];
    }
    integrations
        .into_iter()
        .map(|(integration, rows)| verdict(&format!("{receiver} ({integration})"), &rows))
        .collect()
}

fn verdict(who: &str, rows: &[&Row]) -> String {
    let sent: Vec<&&Row> = rows.iter().filter(|row| row.event == Event::Sent).collect();
    let failed = rows
        .iter()
        .filter(|row| matches!(row.event, Event::Failed | Event::GivenUp))
        .count();
    let tries = match failed {
        0 => String::new(),
        1 => ", after 1 failed try".to_owned(),
        failed => format!(", after {failed} failed tries"),
    };
    match (sent.first(), sent.last(), rows.last()) {
        (Some(first), Some(last), _) if first.at_ms == last.at_ms => {
            format!("{who} was told once, at {}{tries}", crate::time::format(first.at_ms))
        }
        (Some(first), Some(last), _) => format!(
            "{who} was told {} times, first at {}, last at {}{tries}",
            sent.len(),
            crate::time::format(first.at_ms),
            crate::time::format(last.at_ms)
        ),
        (_, _, Some(row)) if row.event == Event::GivenUp => {
            format!(
                "{who} was NOT told: given up after {} tries: {}",
                row.attempt.unwrap_or_default(),
                row.detail
            )
        }
        (_, _, Some(row)) if row.event == Event::Failed => {
            format!("{who} was not told yet: {failed} tries failed: {}", row.detail)
        }
        _ => format!("{who} was not told yet: its message is on its way"),
    }
}

fn is_hold(event: Event) -> bool {
    matches!(event, Event::Silenced | Event::Inhibited | Event::Muted)
}

/// What holds an alert back, in words.
fn held_back(row: &Row) -> String {
    match row.event {
        Event::Silenced => format!("silence {} {}", row.cause, row.detail),
        Event::Inhibited => format!("inhibited by {}", row.cause),
        _ => format!("muted by the time interval {}", row.cause),
    }
}

impl Row {
    /// What was decided and why, in words for people.
    #[must_use]
    pub fn sentence(&self) -> String {
        let attempt = self.attempt.unwrap_or_default();
        let next = |what: &str| match self.next_at_ms {
            Some(next_ms) => format!("; {what} {}", crate::time::format(next_ms)),
            None => String::new(),
        };
        match self.event {
            Event::Grouped if self.detail.is_empty() => {
                format!("takes route {}, in group {}", self.route, self.group_labels)
            }
            Event::Grouped => format!(
                "takes route {}, in group {}; {}",
                self.route, self.group_labels, self.detail
            ),
            Event::Resolved => "is over".to_owned(),
            Event::Silenced | Event::Inhibited | Event::Muted => format!("held back: {}", held_back(self)),
            Event::Released => "nothing holds it back any more".to_owned(),
            Event::Acknowledged => format!(
                "acknowledged {}: not repeated{}",
                self.detail,
                next("at the latest until")
            ),
            Event::Deduplicated => format!("not told: {}{}", self.reason, next("next repeat after")),
            Event::Notifying => format!("to be told: {}", self.reason),
            Event::Sent if attempt > 1 => format!("told, at try {attempt}: {}", self.detail),
            Event::Sent => format!("told: {}", self.detail),
            Event::Failed => format!("try {attempt} failed: {}{}", self.detail, next("next try at")),
            Event::GivenUp => format!("given up after {attempt} tries: {}", self.detail),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Entry, EntryAlert};

    fn entry(at_ms: i64, event: Event) -> Entry {
        let alert = EntryAlert {
            fingerprint: "aa".to_owned(),
            labels: Labels::from_pairs([("alertname", "Down")]),
            starts_at_ms: 1_000,
            ended_at_ms: (at_ms >= 9_000).then_some(9_000),
        };
        Entry {
            at_ms,
            event,
            receiver: "ops".to_owned(),
            alerts: vec![alert],
            ..Entry::default()
        }
    }

    fn delivery(at_ms: i64, event: Event, attempt: u32, detail: &str) -> Entry {
        Entry {
            integration: "webhook/0".to_owned(),
            delivery: "g/webhook/0/1".to_owned(),
            attempt: Some(attempt),
            detail: detail.to_owned(),
            ..entry(at_ms, event)
        }
    }

    fn story(entries: &[Entry]) -> Story {
        let rows = entries.iter().flat_map(Entry::rows);
        // Everything twice: from a file and from the table.
        let mut stories = stories(rows.clone().chain(rows).collect());
        assert_eq!(stories.len(), 1);
        stories.remove(0)
    }

    #[test]
    fn a_story_is_told_once_and_in_order() {
        let sent = delivery(3_000, Event::Sent, 2, "200");
        let failed = delivery(2_000, Event::Failed, 1, "503");
        let story = story(&[
            sent,
            failed,
            entry(9_000, Event::Resolved),
            entry(1_000, Event::Grouped),
        ]);
        let events: Vec<Event> = story.steps.iter().map(|row| row.event).collect();
        assert_eq!(events, [Event::Grouped, Event::Failed, Event::Sent, Event::Resolved]);
        assert_eq!((story.starts_at_ms, story.ended_at_ms), (1_000, Some(9_000)));
        assert!(story.fires_at(1_000) && story.fires_at(9_000) && !story.fires_at(9_001) && !story.fires_at(999));
        assert_eq!(
            story.verdicts(),
            ["ops (webhook/0) was told once, at 1970-01-01T00:00:03.000Z, after 1 failed try"]
        );
    }

    #[test]
    fn verdicts_say_why_nobody_was_told() {
        let silenced = Entry {
            cause: "1f2e".to_owned(),
            detail: "\"upgrade\" by ops".to_owned(),
            ..entry(2_000, Event::Silenced)
        };
        assert_eq!(
            story(std::slice::from_ref(&silenced)).verdicts(),
            ["ops was not told: silence 1f2e \"upgrade\" by ops"]
        );
        let ended = Entry {
            reason: "it ended before anybody was told".to_owned(),
            ..entry(9_000, Event::Deduplicated)
        };
        assert_eq!(
            story(&[silenced, entry(3_000, Event::Released), ended]).verdicts(),
            ["ops was not told: it ended before anybody was told"]
        );
        let given_up = delivery(4_000, Event::GivenUp, 3, "404: gone");
        assert_eq!(
            story(&[given_up]).verdicts(),
            ["ops (webhook/0) was NOT told: given up after 3 tries: 404: gone"]
        );
    }
}
