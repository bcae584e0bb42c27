//! `parapet routes test`.

use super::show::options_json;
use super::{File, group_by};
use crate::query::times;
use crate::table::Table;
use anyhow::bail;
use clap::{Args, ValueEnum};
use parapet_function_kit::SystemClock;
use parapet_model::{Labels, MatchOp, format_duration_ms, quote};
use parapet_ports::Clock as _;
use parapet_routing::{Config, Group, InhibitRule, Matcher, Matchers, Route, parse_matchers};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::process::ExitCode;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  parapet routes test --alertmanager.config.file alertmanager.yml severity=page team=db
                      prints the receivers alone, as amtool config routes test does
  parapet routes test --alertmanager.config.file alertmanager.yml --verify.receivers=pager severity=page
                      exits with 1 where it is another
  parapet routes test --alertmanager.config.file alertmanager.yml --at 2026-01-04T03:00:00+01:00 severity=page
                      tells routes, groups, timings, and whether it would be muted then")]
pub(crate) struct Arguments {
    #[command(flatten)]
    file: File,
    /// Tell all, time intervals as they are at this time: RFC 3339, Unix seconds, now, or before now (-8h)
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    at: Option<String>,
    /// Exit with 1 where the receivers are not these: names in the order of the tree, separated by commas
    #[arg(long = "verify.receivers", value_name = "NAMES")]
    verify: Option<String>,
    /// What is printed [default: receivers, with --at table]
    #[arg(short, long, value_enum)]
    output: Option<Output>,
    /// The alert's labels
    #[arg(value_name = "LABEL=VALUE")]
    labels: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// The names of the receivers, in one line
    Receivers,
    /// The receivers, each route that the alert takes, and the inhibit rules that it is part of
    Table,
    /// The same as one JSON object
    Json,
}

pub(super) fn test(arguments: &Arguments) -> anyhow::Result<(String, ExitCode)> {
    let config = arguments.file.read()?;
    let labels = read_labels(&arguments.labels)?;
    let at_ms = times::parse(arguments.at.as_deref().unwrap_or("now"), SystemClock.now_ms())
        .map_err(|error| error.context("--at"))?;
    let routes = config.route.matching(&labels);
    let names: Vec<&str> = routes.iter().map(|route| route.options.receiver.as_str()).collect();
    let receivers = names.join(",");
    let default = if arguments.at.is_some() {
        Output::Table
    } else {
        Output::Receivers
    };
    let mut text = match arguments.output.unwrap_or(default) {
        Output::Receivers => format!("{receivers}\n"),
        Output::Table => format!("{receivers}\n\n{}", tables(&config, &routes, &labels, at_ms)),
        Output::Json => serde_json::to_string_pretty(&json(&config, &routes, &labels, at_ms))? + "\n",
    };
    let mut code = ExitCode::SUCCESS;
    if arguments.verify.as_ref().is_some_and(|wanted| *wanted != receivers) {
        text.push_str("WARNING: Expected receivers did not match resolved receivers.\n");
        code = ExitCode::FAILURE;
    }
    Ok((text, code))
}

/// Labels as amtool reads them: matchers of equality.
pub(crate) fn read_labels(texts: &[String]) -> anyhow::Result<Labels> {
    let single = |text: &str| match <[Matcher; 1]>::try_from(parse_matchers(text).ok()?.0) {
        Ok([matcher]) => Some(matcher),
        Err(_) => None,
    };
    let mut pairs = Vec::new();
    for text in texts {
        let bare = || {
            // A value with commas, which parts matchers elsewhere.
            let (name, value) = text.split_once('=')?;
            single(&format!("{name}={}", quote(value)))
        };
        match single(text).or_else(bare) {
            Some(matcher) if matcher.op == MatchOp::Equal => pairs.push((matcher.name, matcher.value)),
            _ => {
                bail!("{text:?} is no label; write name=value, and '\"a name\"=value' where the name is no plain word")
            }
        }
    }
    Ok(Labels::from_pairs(pairs))
}

fn tables(config: &Config, routes: &[&Route], labels: &Labels, at_ms: i64) -> String {
    let numbers = (1..=routes.len()).map(|number| match routes.len() {
        1 => "route".to_owned(),
        _ => format!("route {number}"),
    });
    let mut table = Table::new(std::iter::once(String::new()).chain(numbers));
    let mut row = |name: &str, cell: &dyn Fn(&Route) -> String| {
        let cells = routes.iter().map(|route| cell(route));
        table.row(std::iter::once(name.to_owned()).chain(cells));
    };
    row("matchers", &|route| route.key.clone());
    row("receiver", &|route| route.options.receiver.clone());
    row("integrations", &|route| integrations(config, route).join(", "));
    row("group by", &group_by);
    row("group key", &|route| Group::new(route, labels).key);
    row("group wait", &|route| format_duration_ms(route.options.group_wait_ms));
    row("group interval", &|route| {
        format_duration_ms(route.options.group_interval_ms)
    });
    row("repeat interval", &|route| {
        format_duration_ms(route.options.repeat_interval_ms)
    });
    let at = format!("muted at {}", times::format_time(at_ms, "%Y-%m-%dT%H:%M:%SZ"));
    row(&at, &|route| muted(config, route, at_ms));
    let mut text = table.aligned();
    let mut rules = Table::new(["inhibit rule", "this alert", "another", "with the same"]);
    for (number, rule, is_target) in concerned(config, labels) {
        let (role, other) = match is_target {
            true => ("may be held back by", &rule.source),
            false => ("may hold back", &rule.target),
        };
        rules.row([
            rule_name(number, rule),
            role.to_owned(),
            other.to_string(),
            equal(rule, labels),
        ]);
    }
    let _ = match rules.is_empty() {
        true => write!(text, "\nNo inhibit rule concerns it.\n"),
        false => write!(text, "\n{}", rules.aligned()),
    };
    text
}

fn json(config: &Config, routes: &[&Route], labels: &Labels, at_ms: i64) -> Value {
    let route = |route: &&Route| {
        let group = Group::new(route, labels);
        let mut shown = options_json(route);
        shown["integrations"] = json!(integrations(config, route));
        shown["groupKey"] = json!(group.key);
        shown["groupLabels"] = json!(group.labels);
        shown["mutedBy"] = json!(config.muted_by_time(route, at_ms));
        shown
    };
    let rule = |(number, rule, is_target): (usize, &InhibitRule, bool)| {
        let texts = |matchers: &Matchers| matchers.0.iter().map(ToString::to_string).collect::<Vec<_>>();
        json!({
            "rule": rule_name(number, rule),
            "alertIs": if is_target { "target" } else { "source" },
            "sourceMatchers": texts(&rule.source),
            "targetMatchers": texts(&rule.target),
            "equal": labels.without(|name| !rule.equal.contains(name)),
        })
    };
    let receivers: Vec<&str> = routes.iter().map(|route| route.options.receiver.as_str()).collect();
    json!({
        "labels": labels,
        "at": times::format_time(at_ms, "%Y-%m-%dT%H:%M:%S%.3fZ"),
        "receivers": receivers,
        "routes": routes.iter().map(route).collect::<Vec<_>>(),
        "inhibitRules": concerned(config, labels).into_iter().map(rule).collect::<Vec<_>>(),
    })
}

fn integrations<'a>(config: &'a Config, route: &Route) -> Vec<&'a str> {
    let receiver = config.receiver(&route.options.receiver);
    let integrations = receiver.into_iter().flat_map(|receiver| &receiver.integrations);
    integrations.map(|integration| integration.key.as_str()).collect()
}

/// Whether a route is muted at a moment, and by what.
fn muted(config: &Config, route: &Route, at_ms: i64) -> String {
    let by = config.muted_by_time(route, at_ms).join(", ");
    let (mutes, actives) = (&route.options.mute_time_intervals, &route.options.active_time_intervals);
    match (by.is_empty(), mutes.is_empty(), actives.is_empty()) {
        (true, true, true) => "no, it has no time intervals".to_owned(),
        (true, false, true) => format!("no, it is outside {}", mutes.join(", ")),
        (true, true, false) => format!("no, it is inside {}", actives.join(", ")),
        (true, false, false) => format!(
            "no, it is inside {} and outside {}",
            actives.join(", "),
            mutes.join(", ")
        ),
        (false, ..) if by == actives.join(", ") => format!("yes, it is outside the active times {by}"),
        (false, ..) => format!("yes, it is inside the mute times {by}"),
    }
}

/// The inhibit rules that an alert of these labels is part of, by number, and whether as the target.
fn concerned<'a>(config: &'a Config, labels: &Labels) -> Vec<(usize, &'a InhibitRule, bool)> {
    let mut found = Vec::new();
    for (at, rule) in config.inhibit_rules.iter().enumerate() {
        for (matchers, is_target) in [(&rule.target, true), (&rule.source, false)] {
            if matchers.matches(labels) {
                found.push((at + 1, rule, is_target));
            }
        }
    }
    found
}

fn rule_name(number: usize, rule: &InhibitRule) -> String {
    match rule.name.as_str() {
        "" => format!("{number}"),
        name => format!("{number} {name}"),
    }
}

/// The values that both alerts must share.
fn equal(rule: &InhibitRule, labels: &Labels) -> String {
    let pairs = rule
        .equal
        .iter()
        .map(|name| format!("{name}={}", quote(labels.get(name).unwrap_or_default())));
    pairs.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "route:
  receiver: ops
  group_by: [alertname]
  routes:
  - receiver: pager
    matchers: [severity=page]
    continue: true
    active_time_intervals: [office]
  - receiver: db
    matchers: [team=db]
    mute_time_intervals: [night]
receivers: [{name: ops}, {name: pager, webhook_configs: [{url: 'http://example.com/?token=xyzzy'}]}, {name: db}]
inhibit_rules:
- {source_matchers: [severity=page], target_matchers: [severity=~\"warning|info\"], equal: [cluster]}
- {name: all, source_matchers: [alertname=Down], target_matchers: [team=db]}
time_intervals:
- {name: office, time_intervals: [{times: [{start_time: '09:00', end_time: '17:00'}], location: Europe/Berlin}]}
- {name: night, time_intervals: [{times: [{start_time: '00:00', end_time: '06:00'}]}]}
";
    /// 2026-01-05, 08:30 in Berlin.
    const MORNING: i64 = 1_767_598_200_000;

    fn shown(texts: &[&str], at_ms: i64) -> (String, Value) {
        let config = parapet_routing::parse("a.yml", CONFIG).unwrap();
        let labels = read_labels(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>()).unwrap();
        let routes = config.route.matching(&labels);
        (
            tables(&config, &routes, &labels, at_ms),
            json(&config, &routes, &labels, at_ms),
        )
    }

    #[test]
    fn tells_routes_times_and_rules() {
        let (text, json) = shown(&["alertname=Slow", "severity=page", "team=db"], MORNING);
        assert_eq!(json["receivers"], json!(["pager", "db"]));
        assert_eq!(json["routes"][0]["mutedBy"], json!(["office"]));
        assert_eq!(json["routes"][1]["mutedBy"], json!([]));
        assert_eq!(json["routes"][1]["groupKey"], "{}/{team=\"db\"}:{alertname=\"Slow\"}");
        assert_eq!(json["inhibitRules"][0]["alertIs"], "source");
        assert_eq!(json["inhibitRules"][1]["rule"], "2 all");
        assert!(text.contains("yes, it is outside the active times office"), "{text}");
        assert!(text.contains("no, it is outside night"), "{text}");
        assert!(text.contains("webhook/0") && !text.contains("xyzzy"), "{text}");
        // An hour later the office is open.
        let (text, _) = shown(&["alertname=Slow", "severity=page"], MORNING + 3_600_000);
        assert!(text.contains("no, it is inside office"), "{text}");
        let (text, json) = shown(&["severity=warning", "cluster=a"], MORNING);
        assert!(
            text.contains("may be held back by") && text.contains("cluster=\"a\""),
            "{text}"
        );
        assert_eq!(json["inhibitRules"][0]["equal"], json!({"cluster": "a"}));
    }

    #[test]
    fn labels_are_read_as_amtool_reads_them() {
        let read = |text: &str| read_labels(&[text.to_owned()]);
        assert_eq!(read("a=b c").unwrap().get("a"), Some("b c"));
        assert_eq!(read("\"a.b\"=\"x, y\"").unwrap().get("a.b"), Some("x, y"));
        assert_eq!(read("a=b,c=d").unwrap().get("a"), Some("b,c=d"));
        for text in ["a", "a!=b", "a=~b", "a,b=c", ""] {
            assert!(
                read(text)
                    .unwrap_err()
                    .to_string()
                    .contains("is no label; write name=value"),
                "{text}"
            );
        }
    }
}
