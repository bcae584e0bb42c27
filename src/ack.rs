//! `parapet ack`: acknowledgements of alert groups.

use crate::query::client::{Client, Connection};
use clap::{Args, Subcommand, ValueEnum};
use comfy_table::Table;
use serde_json::Value;

#[derive(Debug, Args)]
#[command(
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "Examples:
  parapet ack add alertname=DiskFull instance=db-1 --comment 'on it'
  parapet ack list
  parapet ack end 5f2b…

An acknowledged group is not repeated until it resolves or the acknowledgement ends. New alerts of the group and its
end are told as ever."
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Acknowledge every group in which an alert fires that all matchers match
    #[command(after_help = "Examples:
  parapet ack add alertname=DiskFull --comment 'ordered disks' --duration 4h
  parapet ack add 'severity=~\"page|critical\"' team=db --receiver db-team --author \"$USER\"")]
    Add(Add),
    /// Show the acknowledgements that hold
    #[command(after_help = "Example:\n  parapet ack list -o json")]
    List(List),
    /// End an acknowledgement: the group is repeated again
    #[command(after_help = "Example:\n  parapet ack end 5f2b8c0d7e6a4b3c9d1e0f2a3b4c5d6e")]
    End(End),
}

#[derive(Debug, Args)]
struct Add {
    /// Which alerts, as in Alertmanager's routes: alertname=Down, instance=~"db-.*"
    #[arg(required = true, value_name = "MATCHER")]
    matchers: Vec<String>,
    /// Only groups of this receiver
    #[arg(long, value_name = "NAME")]
    receiver: Option<String>,
    /// Until when, at the latest (4h) [default: until the group resolves]
    #[arg(long, value_name = "DURATION")]
    duration: Option<String>,
    /// What others should know
    #[arg(long, value_name = "TEXT", default_value = "")]
    comment: String,
    /// Who says so
    #[arg(
        long,
        value_name = "NAME",
        env = "USER",
        hide_env_values = true,
        default_value = "unknown"
    )]
    author: String,
    #[arg(short, long, value_enum, default_value = "table")]
    output: Output,
}

#[derive(Debug, Args)]
struct List {
    #[arg(short, long, value_enum, default_value = "table")]
    output: Output,
}

#[derive(Debug, Args)]
struct End {
    /// The acknowledgement's id, as `parapet ack list` shows it
    #[arg(value_name = "ID")]
    id: String,
}

/// How answers are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// Aligned columns
    Table,
    /// The server's answer
    Json,
}

/// Asks and prints.
#[allow(clippy::print_stdout)]
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let client = Client::new("--url", &arguments.connection.url, &arguments.connection.manner)?;
    let (data, output) = match &arguments.action {
        Action::Add(add) => (client.ask("acknowledgements", &form(add), None)?, add.output),
        Action::List(list) => (client.get(&["acknowledgements"], &[])?, list.output),
        Action::End(end) => {
            client.delete(&["acknowledgements", &end.id])?;
            println!("{} has ended", end.id);
            return Ok(());
        }
    };
    match output {
        Output::Json => println!("{}", serde_json::to_string_pretty(&data)?),
        Output::Table => print!("{}", table(&data)),
    }
    Ok(())
}

fn form(add: &Add) -> Vec<(&'static str, String)> {
    let mut form: Vec<_> = add
        .matchers
        .iter()
        .map(|matcher| ("match[]", matcher.clone()))
        .collect();
    form.push(("created_by", add.author.clone()));
    form.push(("comment", add.comment.clone()));
    form.extend(add.receiver.iter().map(|name| ("receiver", name.clone())));
    form.extend(add.duration.iter().map(|duration| ("duration", duration.clone())));
    form
}

fn table(data: &Value) -> String {
    let rows = data.as_array().map(Vec::as_slice).unwrap_or_default();
    if rows.is_empty() {
        return "nothing is acknowledged\n".to_owned();
    }
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(["ID", "RECEIVER", "GROUP", "BY", "UNTIL", "COMMENT"]);
    for row in rows {
        let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
        let labels = row["groupLabels"].as_object().into_iter().flatten();
        let labels: Vec<String> = labels
            .map(|(name, value)| format!("{name}={}", parapet_model::quote(value.as_str().unwrap_or_default())))
            .collect();
        let until = row["endsAt"].as_str().unwrap_or("resolved").to_owned();
        table.add_row([
            text("id"),
            text("receiver"),
            format!("{{{}}}", labels.join(", ")),
            text("createdBy"),
            until,
            text("comment"),
        ]);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn prints_a_table() {
        let data = json!([
            {"id": "ab12", "receiver": "ops", "groupLabels": {"alertname": "Down", "job": "node"}, "createdBy": "alice",
             "comment": "on it", "createdAt": "2026-01-05T10:00:00Z", "endsAt": "2026-01-05T14:00:00Z"},
            {"id": "cd34", "receiver": "db-team", "groupLabels": {}, "createdBy": "bob", "comment": ""},
        ]);
        assert_eq!(
            table(&data),
            "ID    RECEIVER  GROUP                           BY     UNTIL                 COMMENT\n\
             ab12  ops       {alertname=\"Down\", job=\"node\"}  alice  2026-01-05T14:00:00Z  on it\n\
             cd34  db-team   {}                              bob    resolved\n"
        );
        assert_eq!(table(&json!([])), "nothing is acknowledged\n");
    }
}
