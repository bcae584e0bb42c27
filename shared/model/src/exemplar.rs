//! An observation that stands for others: mostly the trace of a request that a counter or a bucket counted.

use crate::Labels;

/// The most characters of names and values that an exemplar's labels may have in all (OpenMetrics 1.0).
pub const MAX_EXEMPLAR_LABEL_CHARS: usize = 128;

/// An exemplar of a series.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Exemplar {
    /// Its own labels, `trace_id` as a rule.
    pub labels: Labels,
    /// What was observed.
    pub value: f64,
    /// When, milliseconds since the Unix epoch; the time of the sample that it came with where it has none of its own.
    pub timestamp_ms: i64,
    /// Whether the time is its own. One without comes again with each scrape, and is one exemplar all the same.
    pub has_timestamp: bool,
}

impl Exemplar {
    /// Whether the labels are as short as they must be.
    #[must_use]
    pub fn labels_fit(&self) -> bool {
        let chars = self
            .labels
            .iter()
            .map(|(name, value)| name.chars().count() + value.chars().count());
        chars.sum::<usize>() <= MAX_EXEMPLAR_LABEL_CHARS
    }

    /// Puts the exemplars of one series in order of time, each once: those with the same labels, value and time of
    /// their own are one, and so are those with the same labels and value and no time of their own, of which the
    /// earliest stays. The outcome does not depend on the order in which they came.
    pub fn merge(exemplars: &mut Vec<Self>) {
        let own_time = |one: &Self| one.has_timestamp.then_some(one.timestamp_ms);
        exemplars.sort_by(|a, b| {
            (&a.labels, a.value.to_bits(), own_time(a), a.timestamp_ms).cmp(&(
                &b.labels,
                b.value.to_bits(),
                own_time(b),
                b.timestamp_ms,
            ))
        });
        exemplars.dedup_by(|a, b| {
            a.labels == b.labels && a.value.to_bits() == b.value.to_bits() && own_time(a) == own_time(b)
        });
        exemplars.sort_by_key(|one| one.timestamp_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exemplar(id: &str, timestamp_ms: i64, has_timestamp: bool) -> Exemplar {
        Exemplar {
            labels: Labels::from_pairs([("trace_id", id)]),
            value: 1.5,
            timestamp_ms,
            has_timestamp,
        }
    }

    #[test]
    fn what_comes_again_is_one() {
        let want = [exemplar("a", 5, false), exemplar("a", 7, true), exemplar("b", 7, true)];
        let mut came = vec![
            exemplar("b", 7, true),
            exemplar("a", 20, false),
            exemplar("a", 7, true),
            exemplar("a", 5, false),
            exemplar("b", 7, true),
        ];
        for _ in 0..came.len() {
            came.rotate_left(1);
            let mut merged = came.clone();
            Exemplar::merge(&mut merged);
            assert_eq!(merged, want);
        }
    }

    #[test]
    fn labels_are_short() {
        assert!(exemplar(&"x".repeat(120), 0, true).labels_fit());
        assert!(exemplar(&"é".repeat(120), 0, true).labels_fit());
        assert!(!exemplar(&"x".repeat(121), 0, true).labels_fit());
    }
}
