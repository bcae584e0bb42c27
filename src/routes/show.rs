//! `parapet routes show`.

use super::{File, group_by, matchers};
use crate::table::Table;
use clap::{Args, ValueEnum};
use parapet_model::format_duration_ms;
use parapet_routing::Route;
use serde_json::{Value, json};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  parapet routes show --alertmanager.config.file alertmanager.yml
  parapet routes show --alertmanager.config.file alertmanager.yml -o table    with what is inherited: timings, grouping")]
pub(crate) struct Arguments {
    #[command(flatten)]
    file: File,
    /// What is printed
    #[arg(short, long, value_enum, default_value = "tree")]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// The tree, as amtool prints it
    Tree,
    /// A line for each route
    Table,
    /// The tree as one JSON object
    Json,
}

pub(super) fn show(arguments: &Arguments) -> anyhow::Result<String> {
    let config = arguments.file.read()?;
    let root = &config.route;
    Ok(match arguments.output {
        Output::Tree => format!("Routing tree:\n{}\n", tree(root)),
        Output::Table => table(root),
        Output::Json => serde_json::to_string_pretty(&json(root))? + "\n",
    })
}

fn tree(root: &Route) -> String {
    let mut text = ".\n".to_owned();
    branch(root, "", true, &mut text);
    text
}

fn branch(route: &Route, indent: &str, is_last: bool, text: &mut String) {
    let mut line = matchers(route);
    if route.proceed {
        line.push_str("  continue: true");
    }
    line.push_str("  receiver: ");
    line.push_str(&route.options.receiver);
    let (edge, inner) = if is_last {
        ("└── ", "    ")
    } else {
        ("├── ", "│   ")
    };
    text.push_str(&format!("{indent}{edge}{line}\n"));
    let inner = format!("{indent}{inner}");
    for (at, child) in route.routes.iter().enumerate() {
        branch(child, &inner, at + 1 == route.routes.len(), text);
    }
}

fn table(root: &Route) -> String {
    let mut table = Table::new([
        "route",
        "receiver",
        "continue",
        "group by",
        "group wait",
        "group interval",
        "repeat interval",
        "mute times",
        "active times",
    ]);
    rows(root, 0, &mut table);
    table.aligned()
}

fn rows(route: &Route, depth: usize, table: &mut Table) {
    let options = &route.options;
    table.row([
        format!("{}{}", "  ".repeat(depth), matchers(route)),
        options.receiver.clone(),
        if route.proceed { "yes" } else { "" }.to_owned(),
        group_by(route),
        format_duration_ms(options.group_wait_ms),
        format_duration_ms(options.group_interval_ms),
        format_duration_ms(options.repeat_interval_ms),
        options.mute_time_intervals.join(", "),
        options.active_time_intervals.join(", "),
    ]);
    for child in &route.routes {
        rows(child, depth + 1, table);
    }
}

/// A route as JSON, what it inherits included.
fn json(route: &Route) -> Value {
    let mut shown = options_json(route);
    shown["matchers"] = route.matchers.0.iter().map(ToString::to_string).collect();
    shown["continue"] = json!(route.proceed);
    shown["routes"] = route.routes.iter().map(json).collect();
    shown
}

/// What applies to the alerts of a route.
pub(super) fn options_json(route: &Route) -> Value {
    let options = &route.options;
    let group_by: Vec<&str> = match options.group_by_all {
        true => vec!["..."],
        false => options.group_by.iter().map(String::as_str).collect(),
    };
    json!({
        "key": route.key,
        "receiver": options.receiver,
        "groupBy": group_by,
        "groupWait": format_duration_ms(options.group_wait_ms),
        "groupInterval": format_duration_ms(options.group_interval_ms),
        "repeatInterval": format_duration_ms(options.repeat_interval_ms),
        "muteTimeIntervals": options.mute_time_intervals,
        "activeTimeIntervals": options.active_time_intervals,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "route:
  receiver: ops
  group_by: [alertname, job]
  routes:
  - receiver: pager
    matchers: [severity=page]
    continue: true
    group_wait: 10s
    routes: [{receiver: night, matchers: ['team=~\"a|b\"'], group_by: ['...']}]
  - {receiver: ops, matchers: [team=c], mute_time_intervals: [weekend]}
receivers: [{name: ops}, {name: pager}, {name: night}]
time_intervals: [{name: weekend, time_intervals: [{weekdays: ['saturday', 'sunday']}]}]
";

    #[test]
    fn prints_the_tree_as_amtool_does() {
        let config = parapet_routing::parse("a.yml", CONFIG).unwrap();
        let want = ".
└── default-route  receiver: ops
    ├── {severity=\"page\"}  continue: true  receiver: pager
    │   └── {team=~\"a|b\"}  receiver: night
    └── {team=\"c\"}  receiver: ops
";
        assert_eq!(tree(&config.route), want);
    }

    #[test]
    fn tables_and_json_show_what_is_inherited() {
        let config = parapet_routing::parse("a.yml", CONFIG).unwrap();
        let table = table(&config.route);
        let night = table.lines().find(|line| line.contains("night")).unwrap();
        assert!(
            night.starts_with("    {team") && night.contains("...") && night.contains("10s"),
            "{table}"
        );
        let json = json(&config.route);
        assert_eq!(json["routes"][0]["routes"][0]["groupWait"], "10s");
        assert_eq!(json["routes"][1]["muteTimeIntervals"][0], "weekend");
    }
}
