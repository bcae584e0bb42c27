//! Where a backtest's samples and silences come from.

use crate::query::client::Client;
use crate::query::times::format_seconds;
use crate::storage::Storage;
use parapet_model::{Labels, Matcher, Series, parse_float, stale_nan};
use parapet_notifier::read_silences;
use parapet_routing::Silence;
use parapet_rules::Source;
use parapet_store::{Reader, ReaderSettings};
use std::path::Path;

pub(super) enum History {
    Disk(Disk),
    Remote(Remote),
}

impl History {
    /// The silences that are remembered; `None` where nobody knows of any.
    pub(super) fn silences(&self) -> anyhow::Result<Option<Vec<Silence>>> {
        match self {
            Self::Disk(disk) => {
                let Storage { runtime, ports, .. } = &disk.storage;
                Ok(Some(runtime.block_on(read_silences(ports))?))
            }
            Self::Remote(remote) => super::silences::of_server(&remote.client),
        }
    }
}

impl Source for &mut History {
    fn select(&mut self, matchers: &[Matcher], start_ms: i64, end_ms: i64) -> Result<Vec<Series>, String> {
        match self {
            History::Disk(disk) => disk.select(matchers, start_ms, end_ms),
            History::Remote(remote) => remote.select(matchers, start_ms, end_ms),
        }
    }
}

/// The storage of this machine.
pub(super) struct Disk {
    storage: Storage,
    reader: Reader,
}

impl Disk {
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let storage = Storage::open(path)?;
        Ok(Self {
            reader: Reader::new(&storage.ports, ReaderSettings::default()),
            storage,
        })
    }

    fn select(&self, matchers: &[Matcher], start_ms: i64, end_ms: i64) -> Result<Vec<Series>, String> {
        let select = self.reader.select(&self.storage.tenant, matchers, start_ms, end_ms);
        self.storage.runtime.block_on(select).map_err(|error| error.chain())
    }
}

/// A server's query API. Range selectors give samples as they are stored, but not where series end: that is found by
/// asking at which evaluations a series is there, so to within one interval.
pub(super) struct Remote {
    pub(super) client: Client,
    pub(super) lookback_ms: i64,
    pub(super) step_ms: i64,
}

impl Remote {
    fn select(&self, matchers: &[Matcher], start_ms: i64, end_ms: i64) -> Result<Vec<Series>, String> {
        let selector = selector(matchers);
        let range_ms = end_ms - start_ms + 1;
        let form = [
            ("query", format!("{selector}[{range_ms}ms]")),
            ("time", format_seconds(end_ms)),
        ];
        let raw = self.ask("query", &form)?;
        let mut all = Vec::new();
        for result in raw {
            all.push(parse_series(&result)?);
        }
        // The first time that looks back no further than what was fetched.
        let (from_ms, steps) = (
            start_ms + self.lookback_ms - 1,
            (end_ms - start_ms) / self.step_ms.max(1),
        );
        if from_ms <= end_ms && steps <= 10_000 {
            let form = [
                ("query", selector),
                ("start", format_seconds(from_ms)),
                ("end", format_seconds(end_ms)),
                ("step", format_seconds(self.step_ms)),
            ];
            let there = self.ask("query_range", &form)?;
            let step = usize::try_from(self.step_ms).unwrap_or(1);
            for result in there {
                let seen = parse_series(&result)?;
                if let Some(series) = all.iter_mut().find(|series| series.labels == seen.labels) {
                    mark_ends(
                        series,
                        &seen.timestamps,
                        (from_ms..=end_ms).step_by(step),
                        self.lookback_ms,
                    );
                }
            }
        }
        all.sort_by(|a, b| a.labels.cmp(&b.labels));
        Ok(all)
    }

    fn ask(&self, endpoint: &str, form: &[(&str, String)]) -> Result<Vec<serde_json::Value>, String> {
        let data = self
            .client
            .ask(endpoint, form, None)
            .map_err(|error| format!("{error:#}"))?;
        Ok(data["result"].as_array().cloned().unwrap_or_default())
    }
}

/// Puts a staleness marker after each sample that is not seen any more at an evaluation that would look back to it.
fn mark_ends(series: &mut Series, seen: &[i64], evaluations: impl Iterator<Item = i64>, lookback_ms: i64) {
    let mut ends = Vec::new();
    for at_ms in evaluations {
        let place = series.timestamps.partition_point(|sample_ms| *sample_ms <= at_ms);
        let Some(last_ms) = place.checked_sub(1).map(|place| series.timestamps[place]) else {
            continue;
        };
        if at_ms - last_ms < lookback_ms && seen.binary_search(&at_ms).is_err() && !ends.contains(&last_ms) {
            ends.push(last_ms);
        }
    }
    for last_ms in ends {
        let place = series.timestamps.partition_point(|sample_ms| *sample_ms <= last_ms);
        series.timestamps.insert(place, last_ms + 1);
        series.values.insert(place, stale_nan());
    }
}

fn selector(matchers: &[Matcher]) -> String {
    let matchers: Vec<String> = matchers.iter().map(ToString::to_string).collect();
    format!("{{{}}}", matchers.join(","))
}

fn parse_series(result: &serde_json::Value) -> Result<Series, String> {
    if result.get("histograms").is_some() {
        return Err("native histograms cannot be replayed from a server; use --storage.path".to_owned());
    }
    let labels = result["metric"].as_object().into_iter().flatten();
    let mut series = Series {
        labels: Labels::from_pairs(labels.map(|(name, value)| (name.as_str(), value.as_str().unwrap_or_default()))),
        ..Series::default()
    };
    for pair in result["values"].as_array().into_iter().flatten() {
        let at = pair[0].as_f64().ok_or("a sample without a time")?;
        let value = pair[1]
            .as_str()
            .and_then(parse_float)
            .ok_or("a sample without a value")?;
        #[allow(clippy::cast_possible_truncation)] // Seconds since 1970.
        series.timestamps.push((at * 1000.0).round() as i64);
        series.values.push(value);
    }
    Ok(series)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_that_is_not_seen_any_more_has_ended() {
        let mut series = Series {
            timestamps: vec![60_000, 120_000, 300_000],
            values: vec![1.0, 2.0, 3.0],
            ..Series::default()
        };
        // Seen at its first two minutes and from the fifth on; not in between.
        let seen = [60_000, 120_000, 300_000, 360_000];
        mark_ends(&mut series, &seen, (60_000..=360_000).step_by(60_000), 300_000);
        assert_eq!(series.timestamps, [60_000, 120_000, 120_001, 300_000]);
        assert!(parapet_model::is_stale_nan(series.values[2]));
    }

    #[test]
    fn matchers_are_written_as_a_selector() {
        let matchers = [Matcher::equal("__name__", "up"), Matcher::equal("a.b", "x\"y")];
        assert_eq!(selector(&matchers), "{__name__=\"up\",\"a.b\"=\"x\\\"y\"}");
    }
}
