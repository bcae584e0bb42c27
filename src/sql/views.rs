//! The views, in DuckDB's SQL. Athena's are in template.yaml: what is asked of one can be asked of the other.

use super::files::{Bucket, Files, Window};
use std::fmt::Write as _;

/// Columns of `metrics` as the view has them: for a store without files.
const METRICS: &str = "metric VARCHAR, labels MAP(VARCHAR, VARCHAR), series_id BIGINT, type VARCHAR, min_ts TIMESTAMPTZ, \
    max_ts TIMESTAMPTZ, samples INTEGER, stale_samples INTEGER, timestamps TIMESTAMPTZ[], \"values\" DOUBLE[], \
    first_value DOUBLE, last_value DOUBLE, min_value DOUBLE, max_value DOUBLE, sum_value DOUBLE, increase DOUBLE, \
    resets DOUBLE, changes DOUBLE, histograms STRUCT(counter_reset INTEGER, \"schema\" INTEGER, zero_threshold DOUBLE, \
    zero_count DOUBLE, count DOUBLE, sum DOUBLE, positive_spans STRUCT(\"offset\" INTEGER, length INTEGER)[], \
    positive_buckets DOUBLE[], negative_spans STRUCT(\"offset\" INTEGER, length INTEGER)[], negative_buckets DOUBLE[], \
    custom_values DOUBLE[])[], exemplars STRUCT(ts TIMESTAMPTZ, has_ts BOOLEAN, \"value\" DOUBLE, \
    labels MAP(VARCHAR, VARCHAR))[], tenant VARCHAR, dt VARCHAR";

const LEDGER: &str = "id VARCHAR, ts TIMESTAMPTZ, event VARCHAR, alertname VARCHAR, fingerprint VARCHAR, \
    labels MAP(VARCHAR, VARCHAR), starts_at TIMESTAMPTZ, ended_at TIMESTAMPTZ, receiver VARCHAR, integration VARCHAR, \
    route VARCHAR, group_key VARCHAR, group_labels MAP(VARCHAR, VARCHAR), reason VARCHAR, cause VARCHAR, detail VARCHAR, \
    delivery VARCHAR, attempt INTEGER, next_at TIMESTAMPTZ, tenant VARCHAR, dt VARCHAR";

/// Columns of files of logs, before those of fields.
const LOG_FILES: &str = "\"timestamp\" TIMESTAMPTZ, nanoseconds INTEGER, level VARCHAR, service VARCHAR, host VARCHAR, \
    trace_id VARCHAR, route VARCHAR, message VARCHAR, stream MAP(VARCHAR, VARCHAR), attributes MAP(VARCHAR, VARCHAR), \
    shape VARCHAR, variables VARCHAR[], raw BLOB, tenant VARCHAR, dt VARCHAR, fields VARCHAR";

/// How many columns of fields there are.
const FIELDS: usize = 24;

/// The names of the columns of fields, with something after each.
fn field_columns(after: &str) -> String {
    let columns: Vec<String> = (0..FIELDS).map(|number| format!("field_{number:02}{after}")).collect();
    columns.join(", ")
}

/// A line put together: variables fill the holes without a name, then fields those with one.
const LINE: &str = "CASE WHEN raw IS NOT NULL THEN raw::VARCHAR ELSE array_to_string([CASE WHEN strpos(p, chr(18)) = 0 THEN p \
    ELSE coalesce(CASE split_part(p, chr(18), 1) WHEN 'message' THEN message WHEN 'service' THEN service WHEN 'host' \
    THEN host WHEN 'trace_id' THEN trace_id END, attributes[split_part(p, chr(18), 1)], '') \
    || substr(p, strpos(p, chr(18)) + 1) END FOR p IN string_split(array_to_string([coalesce(z[1], '') \
    || coalesce(z[2], '') FOR z IN list_zip(string_split(shape, chr(17) || chr(18)), variables)], ''), chr(17))], '') END";

/// The views over files.
pub(super) fn over(files: &Files, window: Window) -> String {
    let mut sql = String::new();
    source(&mut sql, "metric_files", &list(&files.metrics), METRICS);
    let log_files = format!("{LOG_FILES}, {}", field_columns(" VARCHAR"));
    source(&mut sql, "log_files", &list(&files.logs), &log_files);
    source(&mut sql, "ledger_files", &list(&files.ledger), LEDGER);
    views(&mut sql, window);
    sql
}

/// What lets DuckDB read a bucket.
pub(super) fn access(bucket: &Bucket) -> String {
    format!("INSTALL httpfs;\nLOAD httpfs;\n{}", secret(bucket))
}

fn secret(bucket: &Bucket) -> String {
    let mut options = vec!["TYPE s3".to_owned()];
    let mut before = "";
    match &bucket.credentials {
        Some((key, secret, token)) => {
            options.push(format!("KEY_ID {}, SECRET {}", text(key), text(secret)));
            options.extend(token.as_ref().map(|token| format!("SESSION_TOKEN {}", text(token))));
        }
        None => {
            before = "INSTALL aws;\nLOAD aws;\n";
            options.push("PROVIDER credential_chain".to_owned());
        }
    }
    options.extend(bucket.region.as_ref().map(|region| format!("REGION {}", text(region))));
    if let Some(endpoint) = &bucket.endpoint {
        let host = endpoint.host_str().unwrap_or_default();
        let port = endpoint.port().map(|port| format!(":{port}")).unwrap_or_default();
        let tls = endpoint.scheme() == "https";
        options.push(format!(
            "ENDPOINT {}, URL_STYLE 'path', USE_SSL {tls}",
            text(&format!("{host}{port}"))
        ));
    }
    format!("{before}CREATE SECRET parapet ({});\n", options.join(", "))
}

/// A list of texts; empty where there are none.
pub(super) fn list(files: &[String]) -> String {
    match files {
        [] => String::new(),
        files => format!(
            "[{}]",
            files.iter().map(|file| text(file)).collect::<Vec<_>>().join(",\n")
        ),
    }
}

/// A text in quotes.
pub(super) fn text(content: &str) -> String {
    format!("'{}'", content.replace('\'', "''"))
}

/// A view over Parquet files; files written before a column was added have null for it.
fn source(sql: &mut String, name: &str, files: &str, columns: &str) {
    if files.is_empty() {
        let _ = writeln!(sql, "CREATE TABLE {name} ({columns});");
    } else {
        let _ = writeln!(
            sql,
            "CREATE VIEW {name} AS FROM read_parquet({files}, union_by_name = true, hive_partitioning = true, \
             hive_types = {{'tenant': VARCHAR, 'dt': VARCHAR}});"
        );
    }
}

/// What `histograms` shows of each, in this order.
const HISTOGRAM: [&str; 10] = [
    "schema",
    "count",
    "sum",
    "zero_threshold",
    "zero_count",
    "positive_spans",
    "positive_buckets",
    "negative_spans",
    "negative_buckets",
    "custom_values",
];

/// Times are in UTC without a zone, as Athena has them.
fn views(sql: &mut String, window: Window) {
    let time = |column: &str| format!("make_timestamp(epoch_us({column}))");
    let replace = |columns: &[&str]| {
        let columns: Vec<String> = columns
            .iter()
            .map(|column| format!("{} AS {column}", time(column)))
            .collect();
        columns.join(", ")
    };
    let bound = |column: &str, op: &str, ms: Option<i64>| match ms {
        Some(ms) => format!(" AND epoch_ms({column}) {op} {ms}"),
        None => String::new(),
    };
    let in_window = |column: &str| {
        let from = bound(column, ">=", window.start_ms);
        from + &bound(column, "<=", window.end_ms)
    };
    let (within, logs_within) = (in_window("ts"), in_window("\"timestamp\""));
    let of_series = "tenant, dt, metric, labels, series_id";
    let _ = write!(
        sql,
        "CREATE VIEW metrics AS SELECT * REPLACE ({metrics}, [{element} FOR t IN timestamps] AS timestamps) \
         FROM metric_files;
CREATE VIEW samples AS SELECT {of_series}, {ts}, \"value\" FROM (SELECT {of_series}, stale_samples, \
         unnest(timestamps) AS ts, unnest(\"values\") AS \"value\" FROM metric_files WHERE \"values\" IS NOT NULL) \
         WHERE (stale_samples = 0 OR NOT isnan(\"value\")){within};
CREATE VIEW histograms AS SELECT {of_series}, {ts}, {histogram} FROM (SELECT {of_series}, \
         stale_samples, unnest(timestamps) AS ts, unnest(histograms) AS h FROM metric_files WHERE histograms IS NOT NULL) \
         WHERE (stale_samples = 0 OR NOT isnan(h.sum)){within};
CREATE VIEW series AS SELECT tenant, dt, metric, any_value(labels) AS labels, series_id, \
         coalesce(max(nullif(type, 'unknown')), 'unknown') AS type, min(min_ts) AS first_ts, max(max_ts) AS last_ts, \
         sum(samples)::BIGINT AS samples FROM metrics WHERE samples > 0 GROUP BY tenant, dt, metric, series_id;
CREATE VIEW exemplars AS SELECT {of_series}, {exemplar} AS ts, e.\"value\" AS \"value\", e.labels AS exemplar \
         FROM (SELECT {of_series}, unnest(exemplars) AS e FROM metric_files WHERE exemplars IS NOT NULL) \
         WHERE true{within};
CREATE VIEW log_rows AS SELECT * EXCLUDE (fields, {fields}) REPLACE ({at} AS \"timestamp\", \
         map_concat(attributes, map_from_entries([e FOR e IN list_zip(coalesce(string_split(fields, chr(31)), []), \
         [{fields}]) IF e[1] IS NOT NULL AND e[2] IS NOT NULL])) AS attributes) FROM log_files;
CREATE VIEW logs AS SELECT tenant, dt, \"timestamp\", nanoseconds, level, service, host, trace_id, route, stream, \
         attributes, coalesce(message, line) AS message, line FROM (SELECT *, {LINE} AS line FROM log_rows) \
         WHERE true{logs_within};
CREATE VIEW ledger AS SELECT * REPLACE ({ledger}) FROM ledger_files;
",
        metrics = replace(&["min_ts", "max_ts"]),
        element = time("t"),
        ts = replace(&["ts"]),
        histogram = HISTOGRAM.map(|field| format!("h.\"{field}\" AS \"{field}\"")).join(", "),
        exemplar = time("e.ts"),
        at = time("\"timestamp\""),
        fields = field_columns(""),
        ledger = replace(&["ts", "starts_at", "ended_at", "next_at"]),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_stay_texts() {
        assert_eq!(list(&["it's".to_owned(), "b".to_owned()]), "['it''s',\n'b']");
        let bucket = Bucket {
            name: "b".to_owned(),
            tenant: "t".to_owned(),
            endpoint: Some(url::Url::parse("http://127.0.0.1:4566").unwrap()),
            region: Some("eu-west-1".to_owned()),
            credentials: Some(("k".to_owned(), "s'".to_owned(), None)),
        };
        let want = "CREATE SECRET parapet (TYPE s3, KEY_ID 'k', SECRET 's''', REGION 'eu-west-1', ENDPOINT '127.0.0.1:4566', \
                    URL_STYLE 'path', USE_SSL false);\n";
        assert_eq!(secret(&bucket), want);
    }
}
