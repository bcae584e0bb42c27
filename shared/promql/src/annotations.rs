//! Warnings and remarks about a query, in Prometheus' words (`util/annotations` of Prometheus).

use crate::ast::PositionRange;
use crate::printer::general;
use parapet_model::quote;
use std::collections::HashMap;

/// What is collected during an evaluation. The same text is kept once, with the place where it came up last.
#[derive(Debug, Default)]
pub(crate) struct Annotations {
    order: Vec<Entry>,
    index: HashMap<String, usize>,
}

#[derive(Debug)]
struct Entry {
    warning: bool,
    text: String,
    position: PositionRange,
    detail: Detail,
}

/// What is added to the text at the end.
#[derive(Clone, Copy, Debug)]
enum Detail {
    None,
    Monotonicity(Monotonicity),
    /// How often.
    Occurrences(usize),
}

/// How buckets had to be mended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Monotonicity {
    pub(crate) min_time: i64,
    pub(crate) max_time: i64,
    pub(crate) min_bucket: f64,
    pub(crate) max_bucket: f64,
    pub(crate) max_diff: f64,
    /// How many samples, less one.
    pub(crate) more: usize,
}

impl Annotations {
    pub(crate) fn warn(&mut self, position: PositionRange, text: impl Into<String>) {
        self.add(true, position, text.into(), Detail::None);
    }

    pub(crate) fn info(&mut self, position: PositionRange, text: impl Into<String>) {
        self.add(false, position, text.into(), Detail::None);
    }

    pub(crate) fn monotonicity(&mut self, position: PositionRange, metric: &str, mended: Monotonicity) {
        let text = with_metric(
            "input to histogram_quantile needed to be fixed for monotonicity (see https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)",
            metric,
        );
        self.add(false, position, text, Detail::Monotonicity(mended));
    }

    pub(crate) fn start_time_overlap(&mut self, position: PositionRange, metric: &str) {
        let text = format!(
            "sample has start time that overlaps with previous sample timestamp for metric {}",
            quote(metric)
        );
        self.add(true, position, text, Detail::Occurrences(1));
    }

    /// Adds what was collected elsewhere, as if it had come up here.
    pub(crate) fn extend(&mut self, other: Self) {
        for entry in other.order {
            self.add(entry.warning, entry.position, entry.text, entry.detail);
        }
    }

    fn add(&mut self, warning: bool, position: PositionRange, text: String, detail: Detail) {
        let Some(at) = self.index.get(&text) else {
            self.index.insert(text.clone(), self.order.len());
            self.order.push(Entry {
                warning,
                text,
                position,
                detail,
            });
            return;
        };
        let entry = &mut self.order[*at];
        entry.position = position;
        entry.detail = match (entry.detail, detail) {
            (Detail::Monotonicity(a), Detail::Monotonicity(b)) => Detail::Monotonicity(Monotonicity {
                min_time: a.min_time.min(b.min_time),
                max_time: a.max_time.max(b.max_time),
                min_bucket: a.min_bucket.min(b.min_bucket),
                max_bucket: a.max_bucket.max(b.max_bucket),
                max_diff: a.max_diff.max(b.max_diff),
                more: a.more + b.more + 1,
            }),
            (Detail::Occurrences(a), Detail::Occurrences(b)) => Detail::Occurrences(a + b),
            (_, detail) => detail,
        };
    }

    /// Warnings and remarks as the API prints them, in the order in which they came up first.
    pub(crate) fn into_texts(self) -> (Vec<String>, Vec<String>) {
        let (mut warnings, mut infos) = (Vec::new(), Vec::new());
        for Entry {
            warning,
            text,
            position,
            detail,
        } in self.order
        {
            let detail = match detail {
                Detail::None | Detail::Occurrences(1) => String::new(),
                Detail::Occurrences(count) => format!(" ({count} occurrences)"),
                Detail::Monotonicity(mended) => format!(
                    ", from buckets {} to {}, with a max diff of {}, over {} samples from {} to {}",
                    general(mended.min_bucket),
                    general(mended.max_bucket),
                    two_digits(mended.max_diff),
                    mended.more + 1,
                    rfc3339(mended.min_time),
                    rfc3339(mended.max_time)
                ),
            };
            if warning {
                warnings.push(format!("PromQL warning: {text}{detail} ({position})"));
            } else {
                infos.push(format!("PromQL info: {text}{detail} ({position})"));
            }
        }
        (warnings, infos)
    }
}

/// Names the metric where it has a name.
pub(crate) fn with_metric(text: &str, metric: &str) -> String {
    if metric.is_empty() {
        text.to_owned()
    } else {
        format!("{text} for metric name {}", quote(metric))
    }
}

/// Go's `%.2g`.
fn two_digits(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return general(value);
    }
    let scientific = format!("{value:.1e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..2).contains(&exponent) {
        return general(scientific.parse().unwrap_or(value));
    }
    let digits = digits.strip_suffix(".0").unwrap_or(digits);
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

fn rfc3339(timestamp_ms: i64) -> String {
    let date = crate::functions::date::Date::of(timestamp_ms.div_euclid(1000));
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
        date.year, date.month, date.day, date.hour, date.minute, date.second
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_text_is_kept_once() {
        let mut annotations = Annotations::default();
        let place = PositionRange::at("sum(x)", 4);
        annotations.warn(place, "a");
        annotations.warn(place, "a");
        annotations.info(place, "b");
        assert_eq!(
            annotations.into_texts(),
            (
                vec!["PromQL warning: a (1:5)".to_owned()],
                vec!["PromQL info: b (1:5)".to_owned()]
            )
        );
    }

    #[test]
    fn short_numbers_as_go() {
        for (value, want) in [
            (0.123, "0.12"),
            (2.0, "2"),
            (123.0, "1.2e+02"),
            (1e-7, "1e-07"),
            (15.5, "16"),
        ] {
            assert_eq!(two_digits(value), want);
        }
    }
}
