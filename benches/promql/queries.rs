//! The queries: what dashboards ask.

use crate::data::{DAY_MS, END_MS, HOUR_MS};
use crate::range;
use parapet_promql::QueryRange;

pub(crate) struct Query {
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) range: QueryRange,
}

pub(crate) fn all() -> Vec<Query> {
    // A quarter of an hour at 15 s, an hour at a minute, 30 days at an hour, and one time.
    let fine = range(END_MS - HOUR_MS / 4, END_MS, 15_000);
    let hour = range(END_MS - HOUR_MS / 2, END_MS, 60_000);
    let month = range(END_MS - 29 * DAY_MS, END_MS, HOUR_MS);
    let now = QueryRange::instant(END_MS - 60_000);
    [
        ("rate, sum by job, 100k series, 30 m", "sum by (job) (rate(http_requests_total[5m]))", hour),
        ("rate, sum by job and code, now", "sum by (job, code) (rate(http_requests_total[5m]))", now),
        (
            "share of errors",
            r#"sum by (job) (rate(http_requests_total{code=~"5.."}[5m])) / sum by (job) (rate(http_requests_total[5m]))"#,
            hour,
        ),
        (
            "regex over 100k series, 30 m",
            r#"sum(rate(http_requests_total{path=~"/api/v1/resource/1.*", instance=~"10[.]0[.][12][.].*"}[5m]))"#,
            hour,
        ),
        ("negative regex, count, now", r#"count(http_requests_total{path!~".*/(1|2|3)", code!="200"})"#, now),
        ("topk of 100k, now", "topk(10, rate(http_requests_total[5m]))", now),
        ("topk of sums, 30 m", "topk(5, sum by (path) (rate(http_requests_total[5m])))", hour),
        (
            "quantile of 10k buckets, 15 m at 15 s",
            "histogram_quantile(0.99, sum by (le) (rate(http_request_duration_seconds_bucket[5m])))",
            fine,
        ),
        (
            "quantile by job of 10k buckets, 30 m",
            "histogram_quantile(0.9, sum by (job, le) (rate(http_request_duration_seconds_bucket[5m])))",
            hour,
        ),
        (
            "quantile of each of 500 histograms, max",
            "max(histogram_quantile(0.5, rate(http_request_duration_seconds_bucket[5m])))",
            hour,
        ),
        (
            "memory used, vector arithmetic",
            "avg(1 - node_memory_available_bytes / node_memory_total_bytes)",
            fine,
        ),
        (
            "CPU by instance, worst ten",
            r#"topk(10, 1 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle"}[5m])))"#,
            hour,
        ),
        (
            "join by group_left, sum by release",
            "sum by (release) (sum by (instance) (rate(node_cpu_seconds_total[5m])) * on (instance) group_left (release) node_info)",
            hour,
        ),
        (
            "join of 4k series to 1k, count by zone",
            "count by (zone) (node_cpu_seconds_total * on (instance, job) group_left (zone) node_info > 100)",
            hour,
        ),
        ("count by two labels, 100k series, now", "count by (job, instance) (http_requests_total)", now),
        ("last values, sum, 100k series, 15 m at 15 s", "sum(http_requests_total)", fine),
        ("rate over 30 days at 1 h", "sum(rate(site_visits_total[1h]))", month),
        ("average over a day, 30 days at 1 h", "avg_over_time(site_temperature[1d])", month),
        ("increase over a week, 30 days at 1 h", "increase(site_visits_total[7d])", month),
        ("worst of a subquery", "max_over_time(sum by (job) (rate(http_request_duration_seconds_bucket[1m]))[10m:1m])", hour),
    ]
    .map(|(name, text, range)| Query { name: name.to_owned(), text: text.to_owned(), range })
    .into()
}
