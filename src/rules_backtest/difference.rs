//! What a change changes: two backtests side by side.

use super::Backtest;
use super::output::{json_value, print_table, utc};
use super::pages::{Count, Pages, Recipient, page_json, page_row, page_table};
use crate::table::Table;
use parapet_routing::Page;
use parapet_rules::replay::{Span, Timeline};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// So many pages of those that come or go are listed; JSON has all.
const LISTED: usize = 50;

/// What is told of one alert.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Told {
    fired: i64,
    firing_ms: i64,
    pages: i64,
}

/// The difference, in tables.
pub(super) fn text(before: &Backtest, after: &Backtest, span: Span, markdown: bool) -> String {
    let mut text = format!("{} to {}, before → after\n\n", utc(span.from_ms), utc(span.to_ms));
    if let (Some(before), Some(after)) = (&before.pages, &after.pages) {
        text.push_str(&print_table(&receivers(before, after), markdown));
        text.push('\n');
    }
    let (table, unchanged) = alerts(before, after, span);
    if !table.is_empty() {
        text.push_str(&print_table(&table, markdown));
        text.push('\n');
    }
    let _ = writeln!(text, "Alerts that fire and page as before: {unchanged}");
    if let (Some(before), Some(after)) = (&before.pages, &after.pages) {
        for (title, pages) in [
            ("Pages that would no longer be sent", only_in(before, after)),
            ("Pages that would be sent anew", only_in(after, before)),
        ] {
            text.push_str(&listed(title, &pages, markdown));
        }
    }
    for (when, backtest) in [("before", before), ("after", after)] {
        for ((group, rule, error), count) in &backtest.timeline.errors {
            let _ = writeln!(text, "\n{when}: {group}/{rule} failed {count} times: {error}");
        }
    }
    text
}

/// The difference and both sides of it.
pub(super) fn json(before: &Backtest, after: &Backtest, span: Span) -> anyhow::Result<String> {
    let mut whole = json!({
        "from": utc(span.from_ms),
        "to": utc(span.to_ms),
        "before": json_value(before),
        "after": json_value(after),
    });
    if let (Some(before), Some(after)) = (&before.pages, &after.pages) {
        let receivers = recipients(before, after).into_iter().map(|recipient| {
            let (was, is) = (count(before, recipient), count(after, recipient));
            json!({
                "receiver": recipient.0,
                "integration": recipient.1,
                "before": was.json(),
                "after": is.json(),
            })
        });
        let pages = |pages: Vec<&Page>| pages.into_iter().map(page_json).collect::<Vec<Value>>();
        whole["difference"] = json!({
            "receivers": receivers.collect::<Vec<_>>(),
            "pagesGone": pages(only_in(before, after)),
            "pagesNew": pages(only_in(after, before)),
        });
    }
    Ok(serde_json::to_string_pretty(&whole)? + "\n")
}

fn recipients<'a>(before: &'a Pages, after: &'a Pages) -> BTreeSet<&'a Recipient> {
    before.counts.keys().chain(after.counts.keys()).collect()
}

fn count(pages: &Pages, recipient: &Recipient) -> Count {
    pages.counts.get(recipient).copied().unwrap_or_default()
}

fn receivers(before: &Pages, after: &Pages) -> Table {
    let numbers = ["firing", "resolved", "repeat", "pages", "change"];
    let mut table = Table::new(["receiver", "integration"].into_iter().chain(numbers)).numbers(&numbers);
    let row = |receiver: &str, integration: &str, was: Count, is: Count| {
        vec![
            receiver.to_owned(),
            integration.to_owned(),
            moved(was.firing, is.firing, ToString::to_string),
            moved(was.resolved, is.resolved, ToString::to_string),
            moved(was.repeat, is.repeat, ToString::to_string),
            moved(was.pages(), is.pages(), ToString::to_string),
            change(was.pages(), is.pages()),
        ]
    };
    let mut sums = [Count::default(); 2];
    for recipient in recipients(before, after) {
        let counts = [count(before, recipient), count(after, recipient)];
        for (sum, count) in sums.iter_mut().zip(counts) {
            sum.firing += count.firing;
            sum.resolved += count.resolved;
            sum.repeat += count.repeat;
        }
        table.row(row(&recipient.0, &recipient.1, counts[0], counts[1]));
    }
    table.row(row("all", "", sums[0], sums[1]));
    table
}

/// The alerts of which something changes, and how many there are of which nothing does.
fn alerts(before: &Backtest, after: &Backtest, span: Span) -> (Table, usize) {
    let numbers = ["fired", "time firing", "pages", "change"];
    let mut table = Table::new(["alert"].into_iter().chain(numbers)).numbers(&numbers);
    let (was, is) = (told(before, span), told(after, span));
    let names: BTreeSet<&String> = was.keys().chain(is.keys()).collect();
    let mut unchanged = 0;
    for name in names {
        let (was, is) = (
            was.get(name).copied().unwrap_or_default(),
            is.get(name).copied().unwrap_or_default(),
        );
        if was == is {
            unchanged += 1;
            continue;
        }
        table.row([
            name.clone(),
            moved(was.fired, is.fired, ToString::to_string),
            moved(was.firing_ms, is.firing_ms, |ms| parapet_model::format_duration_ms(*ms)),
            moved(was.pages, is.pages, ToString::to_string),
            change(was.pages, is.pages),
        ]);
    }
    (table, unchanged)
}

fn told(backtest: &Backtest, span: Span) -> BTreeMap<String, Told> {
    let Timeline { episodes, .. } = &*backtest.timeline;
    let mut told: BTreeMap<String, Told> = BTreeMap::new();
    let name = |labels: &parapet_model::Labels| labels.get("alertname").unwrap_or_default().to_owned();
    for episode in episodes {
        let one = told.entry(name(&episode.labels)).or_default();
        let end_ms = episode.resolved_at_ms.unwrap_or(span.to_ms);
        one.fired += 1;
        one.firing_ms += (end_ms - episode.fired_at_ms) / 1000 * 1000;
    }
    for page in backtest.pages.iter().flat_map(|pages| &pages.pages) {
        let names: BTreeSet<String> = page
            .notification
            .alerts
            .iter()
            .map(|alert| name(&alert.labels))
            .collect();
        for name in names {
            told.entry(name).or_default().pages += 1;
        }
    }
    told
}

/// The pages of one side that the other has not: at the same time, to the same integration, about the same alerts, for
/// the same reason.
fn only_in<'a>(here: &'a Pages, there: &Pages) -> Vec<&'a Page> {
    let identity = |page: &Page| {
        let notification = &page.notification;
        (
            page.at_ms,
            notification.receiver.clone(),
            notification.integration.clone(),
            notification.reason.as_str(),
            notification.firing.clone(),
            notification.resolved.clone(),
        )
    };
    let there: BTreeSet<_> = there.pages.iter().map(identity).collect();
    here.pages
        .iter()
        .filter(|page| !there.contains(&identity(page)))
        .collect()
}

fn listed(title: &str, pages: &[&Page], markdown: bool) -> String {
    if pages.is_empty() {
        return String::new();
    }
    let mut table = page_table();
    for page in pages.iter().take(LISTED) {
        table.row(page_row(page));
    }
    let rest = match pages.len().saturating_sub(LISTED) {
        0 => String::new(),
        rest => format!("\n… and {rest} more; -o json has all.\n"),
    };
    let table = print_table(&table, markdown);
    let count = pages.len();
    if markdown {
        format!("\n<details><summary>{title}: {count}</summary>\n\n{table}{rest}\n</details>\n")
    } else {
        format!("\n{title}: {count}\n{table}{rest}")
    }
}

fn moved<T: PartialEq>(was: T, is: T, show: impl Fn(&T) -> String) -> String {
    if was == is {
        show(&is)
    } else {
        format!("{} → {}", show(&was), show(&is))
    }
}

fn change(was: i64, is: i64) -> String {
    match is - was {
        0 => "0".to_owned(),
        change @ 1.. => format!("+{change}"),
        change => format!("−{}", change.abs()),
    }
}
