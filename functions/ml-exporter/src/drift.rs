//! Drift of the features that `ml.yml` names.

use crate::Settings;
use crate::parquet_window::{self, Extent};
use crate::problems::Problems;
use crate::query_window::{self, Query};
use parapet_ml::{
    CompareError, Config, DriftCheck, DriftMetrics, ModelMetrics, Reason, Reference, Snapshot, Window, WindowSource,
    compare,
};
use parapet_ports::{Error, Kind, Ports, SourceFile};
use parapet_store::Reader;
use std::collections::BTreeMap;

/// Windows end so long before the tick: what belongs to them is stored by then.
const SETTLE_MS: i64 = 60_000;

/// What was computed, until the next end of its window.
#[derive(Debug, Default)]
pub(crate) struct Known(BTreeMap<(String, String), Outcome>);

#[derive(Clone, Debug)]
struct Outcome {
    /// What it was computed of: another one is computed anew.
    of: u64,
    drift: Vec<DriftMetrics>,
    problems: Problems,
}

/// Where windows are read.
pub(crate) struct Windows<'a> {
    pub(crate) ports: &'a Ports,
    pub(crate) reader: &'a Reader,
    pub(crate) settings: &'a Settings,
}

impl Known {
    /// The drift of every check, for the windows that had ended a minute before the tick.
    pub(crate) async fn of(
        &mut self,
        windows: &Windows<'_>,
        file: &SourceFile,
        config: &Config,
        models: &[ModelMetrics],
        at_ms: i64,
        problems: &mut Problems,
    ) -> Result<Vec<DriftMetrics>, Error> {
        let mut all = Vec::new();
        for check in &config.drift {
            let end_ms = (at_ms - SETTLE_MS).div_euclid(check.every_ms) * check.every_ms;
            let Some(place) = Snapshot::version_of(models, &check.model, check.version.as_deref()) else {
                let version = check.version.as_deref().map(|version| format!(" of version {version}"));
                let what = format!(
                    "the registry has no model {}{}",
                    check.model,
                    version.unwrap_or_default()
                );
                problems.note(Reason::Drift, what);
                continue;
            };
            let version = &models[place];
            let of = fingerprint(file, version, end_ms);
            let name = (check.model.clone(), check.name.clone());
            if self.0.get(&name).is_none_or(|known| known.of != of) {
                let mut problems = Problems::default();
                let drift = windows.compare(check, version, end_ms, &mut problems).await?;
                self.0.insert(name.clone(), Outcome { of, drift, problems });
            }
            if let Some(known) = self.0.get(&name) {
                problems.extend(&known.problems);
                all.extend(known.drift.iter().cloned());
            }
        }
        let is_configured = |(model, name): &(String, String)| {
            config
                .drift
                .iter()
                .any(|check| (&check.model, &check.name) == (model, name))
        };
        self.0.retain(|name, _| is_configured(name));
        Ok(all)
    }
}

fn fingerprint(file: &SourceFile, version: &ModelMetrics, end_ms: i64) -> u64 {
    let mut hasher = xxhash_rust::xxh3::Xxh3::new();
    let training = format!("{:?}", version.record.training);
    for text in [&file.text, &version.version, &training] {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    }
    hasher.update(&end_ms.to_le_bytes());
    hasher.digest()
}

impl Windows<'_> {
    async fn compare(
        &self,
        check: &DriftCheck,
        version: &ModelMetrics,
        end_ms: i64,
        problems: &mut Problems,
    ) -> Result<Vec<DriftMetrics>, Error> {
        let reference = match &check.reference {
            Reference::Recorded => recorded(check, version, problems),
            Reference::Window(source) => self.source(check, source, None, None, end_ms, problems).await?,
        };
        let Some(reference) = reference else {
            return Ok(Vec::new());
        };
        let window = &check.current;
        let range = end_ms - window.window_ms..end_ms;
        let column = window.timestamp_column.as_deref();
        let current = self.source(check, &window.source, Some(range), column, end_ms, problems);
        let Some(current) = current.await? else {
            return Ok(Vec::new());
        };
        let mut features = features(check, &reference, &current);
        if features.len() > self.settings.max_features {
            let (all, most) = (features.len(), self.settings.max_features);
            let what = format!(
                "{} of {}: {all} features; the first {most} are compared",
                check.name, check.model
            );
            problems.note(Reason::Limit, what);
            features.truncate(most);
        }
        if features.is_empty() {
            let what = format!(
                "{} of {}: both windows have no feature in common",
                check.name, check.model
            );
            problems.note(Reason::Drift, what);
        }
        let (check, version) = (check.clone(), version.version.clone());
        let compared =
            tokio::task::spawn_blocking(move || compare_all(&check, &version, &features, &reference, &current));
        let (drift, faults) = compared
            .await
            .map_err(|error| Error::new(Kind::Internal, "a worker thread failed").with_source(error))?;
        faults.into_iter().for_each(|fault| problems.note(Reason::Drift, fault));
        Ok(drift)
    }

    async fn source(
        &self,
        check: &DriftCheck,
        source: &WindowSource,
        range: Option<std::ops::Range<i64>>,
        timestamp_column: Option<&str>,
        end_ms: i64,
        problems: &mut Problems,
    ) -> Result<Option<BTreeMap<String, Window>>, Error> {
        match source {
            WindowSource::Parquet(prefix) => {
                let extent = Extent {
                    prefix,
                    range,
                    timestamp_column,
                };
                parquet_window::read(&self.ports.objects, self.settings, check, &extent, problems).await
            }
            WindowSource::Query {
                text,
                expr,
                feature_label,
            } => {
                let query = Query {
                    text,
                    expr,
                    feature_label,
                };
                query_window::read(self.reader, self.settings, check, &query, end_ms, problems).await
            }
        }
    }
}

/// The statistics that were recorded in training.
fn recorded(check: &DriftCheck, version: &ModelMetrics, problems: &mut Problems) -> Option<BTreeMap<String, Window>> {
    let features = version.record.training.as_ref().map(|training| &training.features);
    let Some(features) = features.filter(|features| !features.is_empty()) else {
        let (model, version) = (&version.model, &version.version);
        let advice = "record them in model.json, or name another reference";
        let what = format!(
            "{} of {model}: version {version} has no training.features: {advice}",
            check.name
        );
        problems.note(Reason::Drift, what);
        return None;
    };
    let mut windows = features.clone();
    windows.retain(|name, _| !check.exclude.contains(name));
    Some(windows)
}

/// The features to compare: those that are named, else those that both windows have, and of an empty window those that the
/// other one has.
fn features(
    check: &DriftCheck,
    reference: &BTreeMap<String, Window>,
    current: &BTreeMap<String, Window>,
) -> Vec<String> {
    if !check.features.is_empty() {
        return check.features.clone();
    }
    match (reference.is_empty(), current.is_empty()) {
        (_, true) => reference.keys().cloned().collect(),
        (true, _) => current.keys().cloned().collect(),
        _ => reference
            .keys()
            .filter(|name| current.contains_key(*name))
            .cloned()
            .collect(),
    }
}

fn compare_all(
    check: &DriftCheck,
    version: &str,
    features: &[String],
    reference: &BTreeMap<String, Window>,
    current: &BTreeMap<String, Window>,
) -> (Vec<DriftMetrics>, Vec<String>) {
    let mut faults = Vec::new();
    let drift = features.iter().map(|feature| {
        let windows = (reference.get(feature), current.get(feature));
        let has_values = |window: Option<&Window>| window.is_some_and(|window| window.values > 0.0);
        let comparison = match windows {
            (Some(of_reference), Some(of_current)) if has_values(windows.0) && has_values(windows.1) => {
                let compared = compare(of_reference, of_current, check.bins);
                let fault =
                    |error: CompareError| faults.push(format!("{} of {}: {feature}: {error}", check.name, check.model));
                compared.map_err(fault).ok()
            }
            _ => None,
        };
        DriftMetrics {
            model: check.model.clone(),
            version: version.to_owned(),
            check: check.name.clone(),
            feature: feature.clone(),
            windows: [DriftMetrics::window(windows.0), DriftMetrics::window(windows.1)],
            comparison,
        }
    });
    (drift.collect(), faults)
}
