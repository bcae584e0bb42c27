//! Tables, CSV and JSON.

use super::answer::{Answer, Series};
use super::times::format_time;
use crate::table::Table;
use std::collections::BTreeSet;
use std::io::IsTerminal as _;

/// Columns where there is no terminal to ask.
const DEFAULT_WIDTH: u16 = 100;

/// The width of the terminal that standard output is.
pub(super) fn width() -> u16 {
    terminal_size::terminal_size_of(std::io::stdout()).map_or(DEFAULT_WIDTH, |(width, _)| width.0.max(40))
}

/// Whether standard output shows colours, and its user wants them (<https://no-color.org>).
pub(crate) fn has_colours() -> bool {
    #[allow(clippy::disallowed_methods)] // the command line reads the environment
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    std::io::stdout().is_terminal() && !refused
}

/// The server's data, indented.
pub(super) fn json(data: &serde_json::Value) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(data)? + "\n")
}

/// The answer in aligned columns: the metric, each label, the time where there are several, the value.
pub(super) fn table(answer: &Answer) -> String {
    let (columns, rows) = match answer {
        Answer::Single(text) => return format!("{text}\n"),
        Answer::Series { series, .. } if series.is_empty() => return "no data\n".to_owned(),
        Answer::Series { series, timed } => cells(series, *timed),
    };
    let mut table = Table::new(columns.iter().map(|column| match column.as_str() {
        "__name__" => "metric",
        label => label,
    }));
    for row in rows {
        table.row(row);
    }
    table.aligned()
}

/// The answer as CSV; times are RFC 3339.
pub(super) fn csv(answer: &Answer) -> anyhow::Result<String> {
    match answer {
        Answer::Single(text) => csv_column("value", std::slice::from_ref(text)),
        Answer::Series { series, timed } => {
            let (columns, rows) = cells(series, *timed);
            write_csv(&columns, &rows)
        }
    }
}

/// One column as CSV.
pub(super) fn csv_column(name: &str, values: &[String]) -> anyhow::Result<String> {
    let rows: Vec<Vec<String>> = values.iter().map(|value| vec![value.clone()]).collect();
    write_csv(&[name.to_owned()], &rows)
}

fn write_csv(columns: &[String], rows: &[Vec<String>]) -> anyhow::Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(columns)?;
    for row in rows {
        writer.write_record(row)?;
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}

/// Names of the columns, and the rows.
fn cells(series: &[Series], timed: bool) -> (Vec<String>, Vec<Vec<String>>) {
    let labels: BTreeSet<&String> = series.iter().flat_map(|series| series.labels.keys()).collect();
    let mut columns: Vec<String> = labels.iter().map(|label| (*label).clone()).collect();
    let has_values = series.iter().any(|series| !series.points.is_empty());
    if timed && has_values {
        columns.push("time".to_owned());
    }
    if has_values {
        columns.push("value".to_owned());
    }
    let mut rows = Vec::new();
    for series in series {
        let of_labels: Vec<String> = labels
            .iter()
            .map(|label| series.labels.get(*label).cloned().unwrap_or_default())
            .collect();
        if series.points.is_empty() {
            rows.push(of_labels);
            continue;
        }
        for point in &series.points {
            let mut row = of_labels.clone();
            if timed {
                row.push(format_time(point.time_ms, "%Y-%m-%dT%H:%M:%S%.fZ"));
            }
            row.push(point.text.clone());
            rows.push(row);
        }
    }
    (columns, rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn vector() -> Answer {
        Answer::of(json!({"resultType": "vector", "result": [
            {"metric": {"__name__": "up", "instance": "a:9100", "job": "node"}, "value": [1, "1"]},
            {"metric": {"job": "say \"hi\", all"}, "value": [1, "12.5"]},
        ]}))
        .unwrap()
    }

    #[test]
    fn tables_are_aligned() {
        let want = "\
METRIC  INSTANCE  JOB            VALUE
up      a:9100    node           1
                  say \"hi\", all  12.5
";
        assert_eq!(table(&vector()), want);
        let none = Answer::of(json!({"resultType": "vector", "result": []})).unwrap();
        assert_eq!(table(&none), "no data\n");
    }

    #[test]
    fn csv_quotes_what_needs_it() {
        let want = "__name__,instance,job,value\nup,a:9100,node,1\n,,\"say \"\"hi\"\", all\",12.5\n";
        assert_eq!(csv(&vector()).unwrap(), want);
        let matrix = json!({"resultType": "matrix", "result": [{"metric": {}, "values": [[1.5, "3"]]}]});
        assert_eq!(
            csv(&Answer::of(matrix).unwrap()).unwrap(),
            "time,value\n1970-01-01T00:00:01.500Z,3\n"
        );
    }

    #[test]
    fn series_have_no_value() {
        let series = Answer::of_series(json!([{"__name__": "up", "job": "a"}])).unwrap();
        assert_eq!(table(&series), "METRIC  JOB\nup      a\n");
    }
}
