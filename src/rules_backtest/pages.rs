//! The pages of a backtest.

use super::output::utc;
use crate::table::Table;
use parapet_routing::{Config, HeldBy, Page, Reason, Replayed, Silence};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Who is told: receiver and integration.
pub(super) type Recipient = (String, String);

/// How many pages, by why they are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) firing: i64,
    pub(super) resolved: i64,
    pub(super) repeat: i64,
}

impl Count {
    pub(super) fn pages(self) -> i64 {
        self.firing + self.resolved + self.repeat
    }

    pub(super) fn json(self) -> Value {
        json!({"firing": self.firing, "resolved": self.resolved, "repeat": self.repeat, "pages": self.pages()})
    }
}

/// Pages, and what was held back.
pub(super) struct Pages {
    pub(super) pages: Vec<Page>,
    /// Of each integration of the configuration, those included that are never told.
    pub(super) counts: BTreeMap<Recipient, Count>,
    /// Alerts that were held back, by what did.
    held: BTreeMap<String, u64>,
}

impl Pages {
    pub(super) fn of(config: &Config, silences: &[Silence], replayed: Replayed) -> Self {
        let mut counts: BTreeMap<Recipient, Count> = config
            .receivers
            .iter()
            .flat_map(|receiver| {
                let integrations = receiver.integrations.iter();
                integrations.map(|integration| (receiver.name.clone(), integration.key.clone()))
            })
            .map(|recipient| (recipient, Count::default()))
            .collect();
        for Page { notification, .. } in &replayed.pages {
            let recipient = (notification.receiver.clone(), notification.integration.clone());
            let count = counts.entry(recipient).or_default();
            match kind(notification.reason) {
                "firing" => count.firing += 1,
                "resolved" => count.resolved += 1,
                _ => count.repeat += 1,
            }
        }
        let mut held = BTreeMap::new();
        for one in &replayed.held {
            *held.entry(held_by(&one.by, silences)).or_default() += 1;
        }
        Self {
            pages: replayed.pages,
            counts,
            held,
        }
    }

    /// A line for each page, the count of each receiver, and what was held back.
    pub(super) fn tables(&self) -> Vec<Table> {
        let mut pages = page_table();
        for page in &self.pages {
            pages.row(page_row(page));
        }
        let numbers = ["firing", "resolved", "repeat", "pages"];
        let columns = ["receiver", "integration"].into_iter().chain(numbers);
        let mut counts = Table::new(columns).numbers(&numbers);
        for ((receiver, integration), count) in &self.counts {
            let numbers = [count.firing, count.resolved, count.repeat, count.pages()];
            let mut row = vec![receiver.clone(), integration.clone()];
            row.extend(numbers.map(|number| number.to_string()));
            counts.row(row);
        }
        let mut held = Table::new(["held back by", "alerts"]).numbers(&["alerts"]);
        for (by, alerts) in &self.held {
            held.row([by.clone(), alerts.to_string()]);
        }
        [pages, counts, held]
            .into_iter()
            .filter(|table| !table.is_empty())
            .collect()
    }

    pub(super) fn json(&self) -> Value {
        let receivers = self.counts.iter().map(|((receiver, integration), count)| {
            let mut shown = count.json();
            shown["receiver"] = json!(receiver);
            shown["integration"] = json!(integration);
            shown
        });
        json!({
            "receivers": receivers.collect::<Vec<_>>(),
            "pages": self.pages.iter().map(page_json).collect::<Vec<_>>(),
            "heldBack": self.held,
        })
    }
}

/// Why somebody is told, in a word.
pub(super) fn kind(reason: Reason) -> &'static str {
    match reason {
        Reason::FirstNotification | Reason::NewAlerts => "firing",
        Reason::NewResolved | Reason::AllResolved => "resolved",
        Reason::Repeat => "repeat",
    }
}

fn held_by(by: &HeldBy, silences: &[Silence]) -> String {
    match by {
        HeldBy::Silence(id) => {
            let silence = silences.iter().find(|silence| silence.id == *id);
            let comment = silence.map(|silence| silence.comment.as_str()).unwrap_or_default();
            format!("silence {id} ({comment})")
        }
        HeldBy::Inhibition(source) => format!("inhibition by {source}"),
        HeldBy::TimeInterval(name) => format!("time interval {name}"),
    }
}

pub(super) fn page_table() -> Table {
    Table::new(["page", "receiver", "integration", "why", "firing", "resolved", "group"])
        .numbers(&["firing", "resolved"])
}

pub(super) fn page_row(page: &Page) -> Vec<String> {
    let notification = &page.notification;
    vec![
        utc(page.at_ms),
        notification.receiver.clone(),
        notification.integration.clone(),
        format!("{}: {}", kind(notification.reason), notification.reason.as_str()),
        notification.firing.len().to_string(),
        notification.resolved.len().to_string(),
        notification.group_labels.to_string(),
    ]
}

pub(super) fn page_json(page: &Page) -> Value {
    let notification = &page.notification;
    let alerts = notification.alerts.iter().map(|alert| {
        json!({
            "labels": alert.labels,
            "status": if alert.ended_at_ms.is_some() { "resolved" } else { "firing" },
            "startsAt": utc(alert.starts_at_ms),
            "endsAt": alert.ended_at_ms.map(utc),
        })
    });
    json!({
        "at": utc(page.at_ms),
        "receiver": notification.receiver,
        "integration": notification.integration,
        "why": kind(notification.reason),
        "reason": notification.reason.as_str(),
        "groupKey": notification.group_key,
        "groupLabels": notification.group_labels,
        "alerts": alerts.collect::<Vec<_>>(),
    })
}
