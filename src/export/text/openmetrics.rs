//! OpenMetrics 1.0 with timestamps.

use super::{Count, SeriesCount, each_window, float, floats};
use crate::export::source::Source;
use parapet_exposition::{is_part_of_family, normalize_bound};
use parapet_model::{
    Exemplar, Labels, METRIC_NAME, MetricType, format_timestamp_seconds, is_legacy_label_name, is_legacy_metric_name,
};
use std::collections::BTreeMap;
use std::io::Write;

/// Metrics of one family, which stand together.
struct Family {
    name: String,
    kind: MetricType,
    metrics: Vec<String>,
}

pub(super) fn write(source: &Source, out: &mut dyn Write) -> anyhow::Result<Count> {
    let (mut count, mut seen) = (Count::default(), SeriesCount::default());
    for family in families(source.metrics()?) {
        if says_its_kind(source, &family)? {
            writeln!(
                out,
                "# TYPE {} {}",
                name(&family.name, is_legacy_metric_name),
                family.kind
            )?;
        }
        for metric in &family.metrics {
            each_window(source, metric, |window, all| {
                let mut exemplars = source.exemplars(metric, window)?;
                for series in &all {
                    seen.note(series);
                    count.histograms += series.histograms.len() as u64;
                    let labels = labels(&series.labels);
                    let mut due = exemplars
                        .remove(&series.labels)
                        .unwrap_or_default()
                        .into_iter()
                        .peekable();
                    for (at, value) in floats(series, &mut count) {
                        write!(out, "{labels} {} {}", float(value), seconds(at))?;
                        // A line has room for one; the next waits for the next line.
                        if let Some(exemplar) = due.next_if(|exemplar| exemplar.timestamp_ms <= at) {
                            write!(out, " # {}", exemplar_text(&exemplar))?;
                        }
                        out.write_all(b"\n")?;
                    }
                    count.exemplars += due.count() as u64;
                }
                count.exemplars += exemplars.values().map(|left| left.len() as u64).sum::<u64>();
                Ok(())
            })?;
        }
    }
    out.write_all(b"# EOF\n")?;
    count.series = seen.finish();
    Ok(count)
}

/// What the name of a family's metric ends with, longest first.
const SUFFIXES: [&str; 8] = [
    "_bucket", "_created", "_gcount", "_gsum", "_total", "_count", "_info", "_sum",
];

/// The families that metrics belong to, by what is known of their kinds.
fn families(metrics: BTreeMap<String, MetricType>) -> Vec<Family> {
    let mut families: BTreeMap<(String, MetricType), Vec<String>> = BTreeMap::new();
    for (metric, kind) in metrics {
        let stem = SUFFIXES.iter().find_map(|suffix| metric.strip_suffix(suffix));
        let family = match stem {
            Some(stem) if is_part_of_family(&metric, stem, kind) => stem.to_owned(),
            _ => metric.clone(),
        };
        families.entry((family, kind)).or_default().push(metric);
    }
    let family = |((name, kind), metrics)| Family { name, kind, metrics };
    families.into_iter().map(family).collect()
}

/// Whether the kind of a family is written. Under it a reader makes `1.0` of a bound `1`, which would be another series:
/// where bounds are not of the form, nothing is said.
fn says_its_kind(source: &Source, family: &Family) -> anyhow::Result<bool> {
    let bound = match family.kind {
        MetricType::Unknown => return Ok(false),
        MetricType::Histogram => "le",
        MetricType::Summary => "quantile",
        _ => return Ok(!family.name.is_empty()),
    };
    for metric in &family.metrics {
        let values = source.values(metric, bound)?;
        if values
            .iter()
            .any(|value| normalize_bound(value).is_some_and(|normal| normal != *value))
        {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A name, in quotes where it is not one of the classic ones.
fn name(text: &str, is_legacy: impl Fn(&str) -> bool) -> String {
    match is_legacy(text) {
        true => text.to_owned(),
        false => quoted(text),
    }
}

fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// `name{a="b",c="d"}`, or `{"näme",a="b"}`.
fn labels(labels: &Labels) -> String {
    let metric = labels.metric_name().unwrap_or_default();
    let mut inner: Vec<String> = Vec::new();
    let is_classic = is_legacy_metric_name(metric);
    if !is_classic && !metric.is_empty() {
        inner.push(quoted(metric));
    }
    let pairs = labels.iter().filter(|(label, _)| *label != METRIC_NAME);
    inner.extend(pairs.map(|(label, value)| format!("{}={}", name(label, is_legacy_label_name), quoted(value))));
    match (is_classic, inner.is_empty()) {
        (true, true) => metric.to_owned(),
        (true, false) => format!("{metric}{{{}}}", inner.join(",")),
        (false, _) => format!("{{{}}}", inner.join(",")),
    }
}

fn exemplar_text(exemplar: &Exemplar) -> String {
    let time = match exemplar.has_timestamp {
        true => format!(" {}", seconds(exemplar.timestamp_ms)),
        false => String::new(),
    };
    // Without a name: labels alone in their braces.
    let pairs = exemplar.labels.iter();
    let pairs: Vec<String> = pairs
        .map(|(label, value)| format!("{}={}", name(label, is_legacy_label_name), quoted(value)))
        .collect();
    format!("{{{}}} {}{time}", pairs.join(","), float(exemplar.value))
}

/// A time that readers, which multiply it by 1000 as a float and cut the rest off, read as the same millisecond.
fn seconds(timestamp_ms: i64) -> String {
    let plain = format_timestamp_seconds(timestamp_ms);
    let read = |text: &str| text.parse::<f64>().map(|seconds| (seconds * 1000.0) as i64);
    match read(&plain) {
        Ok(read) if read == timestamp_ms => plain,
        // Half a millisecond away from zero.
        _ => {
            let sign = if timestamp_ms < 0 { "-" } else { "" };
            let magnitude = timestamp_ms.unsigned_abs();
            format!("{sign}{}.{:03}5", magnitude / 1000, magnitude % 1000)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_to_the_millisecond() {
        let mut odd = 0;
        for base in [
            0i64,
            1_073_741_824_000,
            1_090_000_000_000,
            1_795_219_200_000,
            2_190_000_000_000,
            -5_000,
        ] {
            for more in 0..5000 {
                let text = seconds(base + more);
                assert_eq!((text.parse::<f64>().unwrap() * 1000.0) as i64, base + more, "{text}");
                odd += usize::from(text.ends_with('5') && text.split('.').nth(1).is_some_and(|part| part.len() == 4));
            }
        }
        assert!(odd > 0, "no time needs the longer form");
        assert_eq!(seconds(1_795_219_200_000), "1795219200");
        assert_eq!(seconds(1_795_219_200_015), "1795219200.015");
    }

    #[test]
    fn series_are_written_as_they_parse() {
        for (pairs, want) in [
            (vec![("__name__", "up")], "up"),
            (
                vec![("__name__", "up"), ("a", "x\"\\\ny"), ("b", "é")],
                r#"up{a="x\"\\\ny",b="é"}"#,
            ),
            (
                vec![("__name__", "my.metric"), ("label.dot", "x")],
                r#"{"my.metric","label.dot"="x"}"#,
            ),
        ] {
            let series = Labels::from_pairs(pairs);
            assert_eq!(labels(&series), want);
            let body = format!("{want} 1 5\n# EOF\n");
            let limits = parapet_exposition::Limits::default();
            let format = parapet_exposition::Format::OpenMetrics;
            let parser = parapet_exposition::Parser::new(body.as_bytes(), format, &limits);
            let read = parapet_exposition::collect(parser).unwrap();
            assert_eq!(read.series[0].labels, series);
        }
    }

    #[test]
    fn metrics_stand_by_their_families() {
        let kinds = [
            ("a_bucket", MetricType::Histogram),
            ("a_count", MetricType::Histogram),
            ("a_sum", MetricType::Histogram),
            ("a_bucket_x", MetricType::Gauge),
            ("b_total", MetricType::Counter),
            ("c", MetricType::Counter),
            ("d_count", MetricType::Gauge),
        ];
        let families = families(kinds.map(|(name, kind)| (name.to_owned(), kind)).into());
        let found: Vec<(&str, usize)> = families
            .iter()
            .map(|family| (family.name.as_str(), family.metrics.len()))
            .collect();
        assert_eq!(found, [("a", 3), ("a_bucket_x", 1), ("b", 1), ("c", 1), ("d_count", 1)]);
    }

    #[test]
    fn values_are_short_and_exact() {
        for (value, want) in [
            (1.5, "1.5"),
            (0.0, "0"),
            (-0.0, "-0"),
            (1e300, "1e300"),
            (5e-324, "5e-324"),
            (f64::INFINITY, "+Inf"),
        ] {
            assert_eq!(float(value), want);
        }
    }
}
