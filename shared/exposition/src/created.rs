//! Start times from OpenMetrics' `_created` samples (`OpenMetricsParser.StartTimestamp` of Prometheus).

use crate::number::seconds_to_millis;
use crate::parser::{Found, FoundSeries, LabelPair, Parser, bound_label};
use parapet_model::MetricType;

/// Whether a kind may have `_created` samples.
pub(crate) fn has_start(kind: MetricType) -> bool {
    matches!(kind, MetricType::Counter | MetricType::Summary | MetricType::Histogram)
}

/// Looks ahead for the `_created` sample of a series, and remembers the last answer: the samples of one histogram
/// share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct StartTimes {
    last_key: Vec<u8>,
    last_ms: Option<i64>,
    /// Up to this place there is surely no `_created` sample: without it, a family of many series without such
    /// samples would be read again from each of them.
    none_before: usize,
}

impl StartTimes {
    /// The start time of a series just read.
    pub(crate) fn of(&mut self, parser: &Parser<'_>, found: &FoundSeries<'_>) -> Option<i64> {
        if !has_start(parser.kind) {
            self.last_ms = None;
            return None;
        }
        let family = found.name.get(..parser.family_length).unwrap_or(&found.name);
        let key = key(parser.kind, &parser.labels, family);
        if self.last_ms.is_some() && self.last_key == key {
            return self.last_ms;
        }
        self.last_ms = None;
        if parser.cursor.at < self.none_before {
            return None;
        }
        let mut ahead = parser.ahead();
        loop {
            match ahead.find_any() {
                Ok(Found::Series(other)) => {
                    let Some(name) = other.name.strip_suffix("_created") else {
                        continue;
                    };
                    if self::key(parser.kind, &ahead.labels, name) == key {
                        self.last_key = key;
                        // As in Prometheus, a time of zero is no time.
                        self.last_ms = Some(seconds_to_millis(other.value)).filter(|ms| *ms > 0);
                        return self.last_ms;
                    }
                    return None;
                }
                Ok(_) | Err(_) => {
                    self.none_before = ahead.cursor.at;
                    return None;
                }
            }
        }
    }
}

/// What the samples of one metric have in common: the family and the labels but for the bound.
fn key(kind: MetricType, labels: &[LabelPair<'_>], family: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(128);
    for (name, value) in labels {
        if Some(&**name) != bound_label(kind) {
            for text in [name, value] {
                key.extend_from_slice(text.as_bytes());
                key.push(0xff);
            }
        }
    }
    key.extend_from_slice(family.as_bytes());
    key
}
