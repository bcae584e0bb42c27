//! `parapet targets`: what is scraped, what is not, and why.

use crate::query::client::{Client, Connection};
use crate::table::Table;
use clap::{Args, ValueEnum};
use serde_json::Value;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  parapet targets
  parapet targets --job node --unhealthy
  parapet targets --dropped -o json

A target that relabel_configs dropped is shown with the labels that it had before, and the rule that dropped it.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    connection: Connection,
    /// Only targets of this job
    #[arg(long, value_name = "NAME")]
    job: Option<String>,
    /// Only targets that are not up
    #[arg(long)]
    unhealthy: bool,
    /// Dropped targets too
    #[arg(long)]
    dropped: bool,
    #[arg(short, long, value_enum, default_value = "table")]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    Table,
    Json,
}

/// Asks a server and prints its targets.
#[allow(clippy::print_stdout)]
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let connection = &arguments.connection;
    let client = Client::new("--url", &connection.url, &connection.manner)?;
    let mut form = vec![("reasons", "true".to_owned())];
    form.extend(arguments.job.iter().map(|job| ("scrapePool", job.clone())));
    let mut answer = client.get(&["targets"], &form)?;
    let is_shown = |target: &Value| !arguments.unhealthy || target["health"] != "up";
    if let Some(active) = answer["activeTargets"].as_array_mut() {
        active.retain(is_shown);
    }
    if !arguments.dropped
        && let Some(all) = answer.as_object_mut()
    {
        all.remove("droppedTargets");
        all.remove("faultyTargets");
    }
    if arguments.output == Output::Json {
        println!("{answer:#}");
        return Ok(());
    }
    print!("{}", text(&answer));
    Ok(())
}

/// The table for people.
fn text(answer: &Value) -> String {
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = |name: &str| answer[name].as_array().cloned().unwrap_or_default();
    let mut table = Table::new(["job", "health", "url", "every", "labels", "reason"]);
    for target in list("activeTargets") {
        table.row([
            word(&target["scrapePool"]),
            word(&target["health"]),
            word(&target["scrapeUrl"]),
            word(&target["scrapeInterval"]),
            labels(&target["labels"], |name| name != "job"),
            word(&target["lastError"]),
        ]);
    }
    for (kind, health) in [("droppedTargets", "dropped"), ("faultyTargets", "left out")] {
        for target in list(kind) {
            let discovered = &target["discoveredLabels"];
            let reason = match &target["reason"] {
                // A Prometheus does not tell.
                Value::Null => "relabel_configs".to_owned(),
                reason => word(reason),
            };
            table.row([
                word(&target["scrapePool"]),
                health.to_owned(),
                word(&discovered["__address__"]),
                String::new(),
                labels(discovered, |name| !matches!(name, "__address__" | "job")),
                reason,
            ]);
        }
    }
    let mut out = if table.is_empty() {
        "no targets\n".to_owned()
    } else {
        table.aligned()
    };
    let counts = answer["droppedTargetCounts"].as_object().into_iter().flatten();
    for (job, count) in counts.filter(|(_, count)| count.as_i64() > Some(0)) {
        if answer["droppedTargets"].is_null() {
            out.push_str(&format!(
                "{count} of {job} dropped by relabel_configs: --dropped shows them\n"
            ));
        }
    }
    out
}

fn labels(labels: &Value, wanted: impl Fn(&str) -> bool) -> String {
    let pairs = labels.as_object().into_iter().flatten();
    let shown: Vec<String> = pairs
        .filter(|(name, _)| wanted(name))
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    shown.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn shows_reasons() {
        let mut answer = json!({
            "activeTargets": [{
                "scrapePool": "node", "health": "down", "scrapeUrl": "http://a/metrics", "scrapeInterval": "15s",
                "labels": {"job": "node", "instance": "a"}, "lastError": "connection refused",
            }],
            "droppedTargets": [{"scrapePool": "node", "discoveredLabels": {"__address__": "b", "job": "node", "env": "x"}}],
            "faultyTargets": [{
                "scrapePool": "node", "discoveredLabels": {"__address__": "", "job": "node"}, "reason": "no address",
            }],
            "droppedTargetCounts": {"node": 1, "other": 0},
        });
        let want = "JOB   HEALTH    URL               EVERY  LABELS        REASON\n\
                    node  down      http://a/metrics  15s    instance=\"a\"  connection refused\n\
                    node  dropped   b                        env=\"x\"       relabel_configs\n\
                    node  left out                                         no address\n";
        assert_eq!(text(&answer), want);
        answer.as_object_mut().unwrap().remove("droppedTargets");
        answer.as_object_mut().unwrap().remove("faultyTargets");
        assert!(text(&answer).ends_with("1 of node dropped by relabel_configs: --dropped shows them\n"));
        assert_eq!(text(&json!({})), "no targets\n");
    }
}
