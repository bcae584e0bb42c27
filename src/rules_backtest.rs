//! `parapet rules backtest`: what would have fired, who would have been paged, and what a change would change.

mod difference;
mod history;
mod output;
mod pages;
mod silences;

use crate::query::client::Client;
use crate::storage::Origin;
use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use history::{Disk, History, Remote};
use pages::Pages;
use parapet_function_kit::SystemClock;
use parapet_gotemplate::Time;
use parapet_ports::Clock as _;
use parapet_promql::Options;
use parapet_routing::{Config, Replay, Silence};
use parapet_rules::replay::{Span, Timeline, replay};
use parapet_rules::{Context, RuleGroup, Source};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use url::Url;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  parapet rules backtest --from 7d rules/*.yml                          over data/, a week back from now
  parapet rules backtest --from 2026-01-01T00:00:00Z --to 2026-01-08T00:00:00Z slo.yml -o json
  parapet rules backtest --from 1d --server http://127.0.0.1:9090 rules.yml
  parapet rules backtest --from 7d rules.yml --alertmanager.config.file alertmanager.yml
                                                                        who would have been paged, when and why
  parapet rules backtest --from 7d rules.yml --alertmanager.config.file new.yml \\
    --before.alertmanager.config.file old.yml --before.rules old-rules.yml -o markdown
                                                                        what a change would change, for a pull request

Rules are evaluated at their own intervals over what is stored, and see what they record. A server may be Parapet,
Prometheus or anything else that answers /api/v1/query_range. The storage of a process that runs is its own: ask it by
--server.

Pages are those of the routes, silences, inhibitions and time intervals as they are now, silences at the times at which
they held; every receiver is taken to accept what it is sent. Silences are the storage's, or the server's, or those of
--alertmanager.url; they are remembered for five days after their end.")]
pub(crate) struct Arguments {
    /// Rule files and SLO files
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The first time: RFC 3339, seconds since 1970, or how long ago (7d)
    #[arg(long)]
    from: String,
    /// The last time, in the same ways
    #[arg(long, default_value = "0s")]
    to: String,
    #[command(flatten)]
    origin: Origin,
    /// How often groups are evaluated that say nothing
    #[arg(long = "evaluation-interval", value_name = "DURATION", default_value = "1m")]
    evaluation_interval: String,
    /// alertmanager.yml: tells the pages too that each receiver would have had
    #[arg(long = "alertmanager.config.file", value_name = "FILE")]
    alertmanager: Option<PathBuf>,
    /// Take the silences of this Alertmanager; --header and --tenant are sent to it too
    #[arg(long = "alertmanager.url", value_name = "URL", requires = "alertmanager")]
    alertmanager_url: Option<Url>,
    /// Compare with this alertmanager.yml [default: the same]
    #[arg(
        long = "before.alertmanager.config.file",
        value_name = "FILE",
        requires = "alertmanager"
    )]
    before_alertmanager: Option<PathBuf>,
    /// Compare with these rule files [default: the same]; may be repeated
    #[arg(long = "before.rules", value_name = "FILE")]
    before_rules: Vec<PathBuf>,
    /// What is printed
    #[arg(short, long, value_enum, default_value = "table")]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// Aligned columns: a line for each time that an alert fired, and for each page
    Table,
    /// The same in Markdown
    Markdown,
    /// One JSON object
    Json,
}

/// What came of one set of rules and one alertmanager.yml.
struct Backtest {
    timeline: Rc<Timeline>,
    /// Where there is an alertmanager.yml.
    pages: Option<Pages>,
}

/// Replays the rules and prints what came of it.
#[allow(clippy::print_stdout)]
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let now_ms = SystemClock.now_ms();
    let span = Span {
        from_ms: time("--from", &arguments.from, now_ms)?,
        to_ms: time("--to", &arguments.to, now_ms)?,
    };
    if span.from_ms >= span.to_ms {
        bail!("--from is not before --to");
    }
    let interval_ms = parapet_model::parse_duration_ms(&arguments.evaluation_interval)
        .map_err(|error| anyhow::anyhow!("--evaluation-interval: {error}"))?;
    let groups = read_rules(&arguments.files)?;
    let mut before_groups = read_rules(&arguments.before_rules)?;
    for before in &mut before_groups {
        // A group's place in its interval hangs on the name of its file: what is compared must not.
        if let Some(after) = groups.iter().find(|after| after.name == before.name) {
            before.file.clone_from(&after.file);
        }
    }
    let config = read_config(arguments.alertmanager.as_deref())?;
    let before_config = read_config(arguments.before_alertmanager.as_deref())?;
    let lookback_ms = Options::default().lookback_delta_ms;
    let mut history = match &arguments.origin.server {
        Some(server) => {
            let all = groups.iter().chain(&before_groups);
            let shortest_ms = all.map(|group| group.interval_ms.unwrap_or(interval_ms)).min();
            History::Remote(Remote {
                client: Client::new("--server", server, &arguments.origin.manner)?,
                lookback_ms,
                step_ms: shortest_ms.unwrap_or(interval_ms),
            })
        }
        None => History::Disk(Disk::open(&arguments.origin.storage_path)?),
    };
    let silences = match (&config, &arguments.alertmanager_url) {
        (None, _) => Vec::new(),
        (Some(_), Some(url)) => {
            let client = Client::new("--alertmanager.url", url, &arguments.origin.manner)?;
            let silences = silences::of_server(&client)?;
            silences
                .with_context(|| format!("--alertmanager.url {url} is no Alertmanager: it has no /api/v2/silences"))?
        }
        (Some(_), None) => history.silences()?.unwrap_or_else(|| {
            output::note("the server knows no silences: name the Alertmanager that does by --alertmanager.url");
            Vec::new()
        }),
    };
    let mut play = |groups: &[RuleGroup], configs: &[Option<&Config>]| {
        let server = arguments.origin.server.as_ref().map(Url::as_str).unwrap_or_default();
        play(groups, configs, &silences, span, interval_ms, server, &mut history)
    };
    let is_compared = !arguments.before_rules.is_empty() || before_config.is_some();
    let earlier_config = before_config.as_ref().or(config.as_ref());
    let mut outcomes = match (is_compared, before_groups.is_empty()) {
        (false, _) => play(&groups, &[config.as_ref()]),
        (true, true) => play(&groups, &[earlier_config, config.as_ref()]),
        (true, false) => {
            let mut outcomes = play(&before_groups, &[earlier_config]);
            outcomes.extend(play(&groups, &[config.as_ref()]));
            outcomes
        }
    };
    let after = outcomes.pop().context("nothing was replayed")?;
    let text = match (outcomes.pop(), arguments.output) {
        (None, Output::Table) => output::text(&after, span, false),
        (None, Output::Markdown) => output::text(&after, span, true),
        (None, Output::Json) => output::json(&after, span)?,
        (Some(before), Output::Table) => difference::text(&before, &after, span, false),
        (Some(before), Output::Markdown) => difference::text(&before, &after, span, true),
        (Some(before), Output::Json) => difference::json(&before, &after, span)?,
    };
    print!("{text}");
    Ok(())
}

/// Replays rules once, through each of several configurations.
fn play<S: Source>(
    groups: &[RuleGroup],
    configs: &[Option<&Config>],
    silences: &[Silence],
    span: Span,
    interval_ms: i64,
    external_url: &str,
    history: S,
) -> Vec<Backtest> {
    let context = Context {
        external_url: external_url.to_owned(),
        default_interval_ms: interval_ms,
        interruption_ms: i64::MAX / 4,
        ..Context::default()
    };
    let options = Options {
        default_subquery_step_ms: interval_ms,
        ..Options::default()
    };
    let mut timeline = Timeline::default();
    let mut progress = output::Progress::new(span);
    let mut routed: Vec<_> = configs
        .iter()
        .map(|config| config.map(|config| (config, Replay::new(config, silences))))
        .collect();
    replay(groups, span, &context, options, history, &mut |evaluated| {
        progress.show(evaluated.at_ms);
        timeline.note(&evaluated);
        for (_, routes) in routed.iter_mut().flatten() {
            routes.take(evaluated.at_ms, &evaluated.outcome.alerts);
        }
    });
    progress.end();
    let timeline = Rc::new(timeline);
    let backtest = |routed: Option<(&Config, Replay<'_>)>| Backtest {
        timeline: timeline.clone(),
        pages: routed.map(|(config, routes)| Pages::of(config, silences, routes.finish(span.to_ms))),
    };
    routed.into_iter().map(backtest).collect()
}

fn read_rules(files: &[PathBuf]) -> anyhow::Result<Vec<RuleGroup>> {
    let mut groups = Vec::new();
    for file in files {
        let name = file.display().to_string();
        let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {name}"))?;
        groups.extend(parapet_rules::parse(&name, &text)?);
    }
    Ok(groups)
}

fn read_config(file: Option<&Path>) -> anyhow::Result<Option<Config>> {
    let Some(file) = file else {
        return Ok(None);
    };
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {name}"))?;
    Ok(Some(parapet_routing::parse(&name, &text)?))
}

/// A time as it is written on a command line, milliseconds since 1970.
fn time(flag: &str, text: &str, now_ms: i64) -> anyhow::Result<i64> {
    if let Some(time) = Time::parse_rfc3339(text) {
        return Ok(time.millis());
    }
    if let Ok(ago_ms) = parapet_model::parse_duration_ms(text) {
        return Ok(now_ms - ago_ms);
    }
    match text.parse::<f64>() {
        #[allow(clippy::cast_possible_truncation)] // Bounded.
        Ok(seconds) if seconds.abs() < 1e12 => Ok((seconds * 1000.0) as i64),
        _ => bail!(
            "{flag}: {text} is no time; write 2026-01-02T15:04:05Z, seconds since 1970, or how long ago, as in 7d"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parapet_model::{Labels, Value};
    use parapet_rules::MemorySeries;

    const SPAN: Span = Span {
        from_ms: 600_000,
        to_ms: 7_200_000,
    };

    /// `up` of two jobs: one is down from minute 20 to 40, the other from 30 to 35.
    fn history() -> MemorySeries {
        let mut history = MemorySeries::default();
        for minute in 0..=120 {
            for (job, down) in [("a", 20..40), ("b", 30..35)] {
                let labels = Labels::from_pairs([("__name__", "up"), ("job", job)]);
                let is_up = !down.contains(&minute);
                history.push(&labels, minute * 60_000, &Value::Float(f64::from(u8::from(is_up))));
            }
        }
        history
    }

    fn backtests(rules: &str, configs: &[Option<&Config>]) -> Vec<Backtest> {
        let groups = parapet_rules::parse("r.yml", rules).unwrap();
        play(&groups, configs, &[], SPAN, 60_000, "", history())
    }

    fn config(group_by: &str) -> Config {
        let text = format!(
            "route: {{receiver: ops, group_by: [{group_by}], group_wait: 30s, group_interval: 5m}}
receivers: [{{name: ops, webhook_configs: [{{url: 'http://example.com/?token=xyzzy'}}]}}, {{name: nobody}}]"
        );
        parapet_routing::parse("alertmanager.yml", &text).unwrap()
    }

    const RULES: &str = "groups: [{name: g, interval: 1m, rules: [{alert: Down, expr: up == 0}]}]";

    #[test]
    fn tells_who_would_be_paged() {
        let config = config("job");
        let backtest = backtests(RULES, &[Some(&config)]).pop().unwrap();
        let pages = backtest.pages.as_ref().unwrap();
        let told: Vec<_> = pages
            .pages
            .iter()
            .map(|page| (page.at_ms / 60_000, page.notification.group_labels.to_string()))
            .collect();
        let (a, b) = ("{job=\"a\"}".to_owned(), "{job=\"b\"}".to_owned());
        assert_eq!(told.len(), 4, "{told:?}");
        assert!((20..=22).contains(&told[0].0) && told[0].1 == a, "{told:?}");
        assert!((30..=32).contains(&told[1].0) && told[1].1 == b, "{told:?}");
        assert!((told[2].1 == b) && (told[3].1 == a), "{told:?}");
        let text = output::text(&backtest, SPAN, false);
        let count: Vec<&str> = text.lines().rev().nth(2).unwrap().split_whitespace().collect();
        assert_eq!(count, ["ops", "webhook/0", "2", "2", "0", "4"], "{text}");
        assert!(!text.contains("xyzzy"), "{text}");
    }

    #[test]
    fn tells_what_a_change_of_routes_changes() {
        let (old, new) = (config("job"), config(""));
        let mut both = backtests(RULES, &[Some(&old), Some(&new)]);
        let (after, before) = (both.pop().unwrap(), both.pop().unwrap());
        let text = difference::text(&before, &after, SPAN, true);
        // One group: a first page, one as b joins, one as b is over, one as all is over.
        assert!(text.contains("| ops | webhook/0 | 2 | 2 | 0 | 4 | 0 |"), "{text}");
        assert!(text.contains("fire and page as before: 1\n"), "{text}");
        let same = difference::text(&before, &before, SPAN, true);
        assert!(
            !same.contains("<details>") && same.contains("fire and page as before: 1\n"),
            "{same}"
        );
        assert!(
            text.contains("<details><summary>Pages that would no longer be sent"),
            "{text}"
        );
    }

    #[test]
    fn tells_what_a_change_of_rules_changes() {
        let config = config("job");
        let slow = RULES.replace("up == 0", "up == 0, for: 10m");
        let before = backtests(RULES, &[Some(&config)]).pop().unwrap();
        let after = backtests(&slow, &[Some(&config)]).pop().unwrap();
        let text = difference::text(&before, &after, SPAN, true);
        assert!(
            text.contains("| ops | webhook/0 | 2 → 1 | 2 → 1 | 0 | 4 → 2 | −2 |"),
            "{text}"
        );
        assert!(
            text.contains("| Down | 2 → 1 |") && text.contains("| 4 → 2 | −2 |"),
            "{text}"
        );
        let json: serde_json::Value = serde_json::from_str(&difference::json(&before, &after, SPAN).unwrap()).unwrap();
        assert_eq!(json["difference"]["receivers"][0]["after"]["pages"], 2);
        assert_eq!(json["before"]["pages"].as_array().unwrap().len(), 4);
        let new = json["difference"]["pagesNew"].as_array().unwrap().len();
        let gone = json["difference"]["pagesGone"].as_array().unwrap().len();
        assert_eq!(gone - new, 2);
    }

    #[test]
    fn reads_times() {
        let now_ms = 1_800_000_000_000;
        for (text, want) in [
            ("2026-01-01T00:00:00Z", 1_767_225_600_000),
            ("1767225600.5", 1_767_225_600_500),
            ("7d", now_ms - 604_800_000),
            ("0s", now_ms),
        ] {
            assert_eq!(time("--from", text, now_ms).unwrap(), want);
        }
        assert!(
            time("--from", "yesterday", now_ms)
                .unwrap_err()
                .to_string()
                .contains("yesterday is no time")
        );
    }
}
