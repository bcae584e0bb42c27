//! `parapet explain`: what the ledger knows of an alert.

use crate::query::client::Client;
use crate::query::times;
use crate::storage::{Origin, Storage};
use crate::table::Table;
use anyhow::{Context as _, bail};
use clap::{Args, Subcommand, ValueEnum};
use parapet_function_kit::SystemClock;
use parapet_ledger::{Row, Story, stories};
use parapet_model::{METRIC_NAME, format_duration_ms};
use parapet_notifier::read_ledger;
use parapet_ports::Clock as _;
use parapet_routing::{Matchers, parse_matchers};
use std::fmt::Write as _;

#[derive(Debug, Subcommand)]
pub(crate) enum Explain {
    /// The story of an alert: its route and group, who was told, who was not, and why
    Alert(Box<Arguments>),
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  parapet explain alert alertname=Down                           the last 24 hours, from data/
  parapet explain alert alertname=Down instance=db1:9100 --server http://127.0.0.1:9090
  parapet explain alert alertname=Down --at 2026-01-05T03:10:00Z  what fired at that moment
  parapet explain alert 'severity=~\"page|critical\"' --since 7d -o json

The storage of a process that runs is its own: ask it by --server. docs/ledger.md has the same in SQL.")]
pub(crate) struct Arguments {
    /// The alert's labels, or matchers: alertname=Down, 'instance=~\"db.*\"'
    #[arg(required = true, value_name = "LABEL=VALUE")]
    labels: Vec<String>,
    /// The alerts that fired at this time: RFC 3339, Unix seconds, or before now (-8h)
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    at: Option<String>,
    /// How far back; with --at, how far around it
    #[arg(long, value_name = "DURATION", default_value = "24h")]
    since: String,
    /// Stories that are printed, the latest of them
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    limit: usize,
    #[command(flatten)]
    origin: Origin,
    /// What is printed
    #[arg(short, long, value_enum, default_value = "table")]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// A line for each decision, and the outcome
    Table,
    /// The stories as JSON
    Json,
}

/// Prints what is asked for.
#[allow(clippy::print_stdout)]
pub(crate) fn run(command: &Explain) -> anyhow::Result<()> {
    let Explain::Alert(arguments) = command;
    let now_ms = SystemClock.now_ms();
    let at_ms = match &arguments.at {
        Some(at) => Some(times::parse(at, now_ms).context("--at")?),
        None => None,
    };
    let since_ms = parapet_model::parse_duration_ms(&arguments.since)
        .map_err(|error| anyhow::anyhow!("--since: {error}; write for example 24h or 7d"))?;
    let centre_ms = at_ms.unwrap_or(now_ms);
    let (from_ms, to_ms) = (centre_ms - since_ms, now_ms.min(centre_ms + since_ms));
    let mut stories = stories(rows(arguments, from_ms, to_ms)?);
    stories.retain(|story| at_ms.is_none_or(|at_ms| story.fires_at(at_ms)));
    let omitted = stories.len().saturating_sub(arguments.limit);
    stories.drain(..omitted);
    if stories.is_empty() {
        let asked = arguments.labels.join(" ");
        match at_ms {
            Some(at_ms) => bail!("the ledger has no alert {asked} that fired at {}", time(at_ms)),
            None => bail!(
                "the ledger has nothing about {asked} since {}; --since looks further back",
                time(from_ms)
            ),
        }
    }
    match arguments.output {
        Output::Json => println!("{}", serde_json::to_string_pretty(&stories)?),
        Output::Table => {
            if omitted > 0 {
                println!("{omitted} earlier stories are left out; --limit shows more\n");
            }
            let told: Vec<String> = stories.iter().map(text).collect();
            print!("{}", told.join("\n"));
        }
    }
    Ok(())
}

fn rows(arguments: &Arguments, from_ms: i64, to_ms: i64) -> anyhow::Result<Vec<Row>> {
    let mut matchers = Vec::new();
    for text in &arguments.labels {
        let parsed = parse_matchers(text).map_err(|error| {
            anyhow::anyhow!("{text:?} is no label: {error}; write alertname=Down or 'job=~\"a|b\"'")
        })?;
        matchers.extend(parsed.0);
    }
    let Origin {
        storage_path,
        server,
        manner,
    } = &arguments.origin;
    if let Some(server) = server {
        let client = Client::new("--server", server, manner)?;
        let mut form = vec![
            ("start", times::format_seconds(from_ms)),
            ("end", times::format_seconds(to_ms)),
        ];
        form.extend(matchers.iter().map(|matcher| ("filter", matcher.to_string())));
        let data = client.get(&["explain", "alerts"], &form)?;
        return serde_json::from_value(data).context("the server's answer is no ledger");
    }
    let storage = Storage::open(storage_path)?;
    let matchers = Matchers(matchers);
    let keep = |row: &Row| matchers.matches(&row.labels);
    let read = read_ledger(&storage.ports, &storage.tenant, from_ms, to_ms, &keep);
    Ok(storage.runtime.block_on(read)?)
}

/// A story for people.
fn text(story: &Story) -> String {
    let name = story.labels.get("alertname").unwrap_or("(without a name)");
    let rest = story
        .labels
        .without(|label| label == "alertname" || label == METRIC_NAME);
    let mut text = format!("{name} {rest}\n");
    let _ = match story.ended_at_ms {
        Some(ended_ms) => writeln!(
            text,
            "fired at {}, over at {} ({})",
            time(story.starts_at_ms),
            time(ended_ms),
            format_duration_ms((ended_ms - story.starts_at_ms).max(0) / 1000 * 1000)
        ),
        None => writeln!(text, "fires since {}", time(story.starts_at_ms)),
    };
    text.push('\n');
    let mut table = Table::new(["time", "event", "receiver", "integration", "what"]);
    for row in &story.steps {
        table.row([
            time(row.at_ms),
            row.event.as_str().replace('_', " "),
            row.receiver.clone(),
            row.integration.clone(),
            row.sentence(),
        ]);
    }
    text.push_str(&table.aligned());
    text.push('\n');
    for verdict in story.verdicts() {
        let _ = writeln!(text, "→ {verdict}");
    }
    text
}

fn time(at_ms: i64) -> String {
    times::format_time(at_ms, "%Y-%m-%dT%H:%M:%SZ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use parapet_ledger::{Entry, EntryAlert, Event};
    use parapet_model::Labels;

    #[test]
    fn a_tired_person_understands_it() {
        let begins_ms = 1_767_579_480_000;
        let entry = |seconds: i64, event: Event| Entry {
            at_ms: begins_ms + seconds * 1000,
            event,
            receiver: "ops".to_owned(),
            group_labels: Labels::from_pairs([("alertname", "Down")]),
            alerts: vec![EntryAlert {
                fingerprint: "aa".to_owned(),
                labels: Labels::from_pairs([("alertname", "Down"), ("job", "node")]),
                starts_at_ms: begins_ms,
                ended_at_ms: (seconds >= 600).then_some(begins_ms + 600_000),
            }],
            ..Entry::default()
        };
        let delivery = |seconds: i64, event: Event, attempt: u32, detail: &str| Entry {
            integration: "webhook/0".to_owned(),
            delivery: "d".to_owned(),
            attempt: Some(attempt),
            detail: detail.to_owned(),
            ..entry(seconds, event)
        };
        let entries = [
            Entry {
                route: "{}/{job=\"node\"}".to_owned(),
                detail: "ops tells webhook/0".to_owned(),
                ..entry(1, Event::Grouped)
            },
            Entry {
                cause: "1f2e".to_owned(),
                detail: "\"upgrade\" by anna".to_owned(),
                ..entry(31, Event::Silenced)
            },
            delivery(331, Event::Failed, 1, "status 503"),
            delivery(333, Event::Sent, 2, "status 200"),
            entry(600, Event::Resolved),
        ];
        let stories = stories(entries.iter().flat_map(Entry::rows).collect());
        let want = "\
Down {job=\"node\"}
fired at 2026-01-05T02:18:00Z, over at 2026-01-05T02:28:00Z (10m)

TIME                  EVENT     RECEIVER  INTEGRATION  WHAT
2026-01-05T02:18:01Z  grouped   ops                    takes route {}/{job=\"node\"}, in group {alertname=\"Down\"}; ops tells webhook/0
2026-01-05T02:18:31Z  silenced  ops                    held back: silence 1f2e \"upgrade\" by anna
2026-01-05T02:23:31Z  failed    ops       webhook/0    try 1 failed: status 503
2026-01-05T02:23:33Z  sent      ops       webhook/0    told, at try 2: status 200
2026-01-05T02:28:00Z  resolved  ops                    is over

→ ops (webhook/0) was told once, at 2026-01-05T02:23:33.000Z, after 1 failed try
";
        assert_eq!(text(&stories[0]), want);
    }
}
