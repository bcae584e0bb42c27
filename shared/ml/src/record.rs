//! What is known of a version: `model.json`, `metrics.json`.

use crate::{Buckets, Categories, Column, Window};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The most features of a training set, metrics of an evaluation and so on that one file may have.
const MOST_ENTRIES: usize = 10_000;

/// What the files of a version say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VersionRecord {
    /// The version's name, where it is another than its folder's.
    pub name: Option<String>,
    /// When it was made, milliseconds since the Unix epoch.
    pub created_ms: Option<i64>,
    /// Its stage, as it is written.
    pub stage: Option<String>,
    /// Names under which it is asked for.
    pub aliases: Vec<String>,
    /// What it was made with: `sklearn`, `torch`.
    pub framework: Option<String>,
    /// The run that made it.
    pub run_id: Option<String>,
    /// Its size, bytes, where it lies elsewhere than in its folder.
    pub size_bytes: Option<u64>,
    /// What it was trained on.
    pub training: Option<Training>,
    /// How it was judged.
    pub evaluations: Vec<Evaluation>,
}

/// A training set.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Training {
    /// Its name.
    pub dataset: Option<String>,
    /// Where it lies in the bucket: the beginning of its objects' keys.
    pub path: Option<String>,
    /// Rows.
    pub rows: Option<u64>,
    /// Its size, bytes.
    pub size_bytes: Option<u64>,
    /// When it was last changed, milliseconds since the Unix epoch.
    pub modified_ms: Option<i64>,
    /// How the values of its features were.
    pub features: BTreeMap<String, Window>,
}

/// Numbers by which a version was judged.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evaluation {
    /// On which data set; empty where that is not said.
    pub dataset: String,
    /// Numbers by name: `accuracy`, `f1`.
    pub metrics: BTreeMap<String, f64>,
}

impl VersionRecord {
    /// This record, with what `other` says where this one says nothing.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            name: self.name.or(other.name),
            created_ms: self.created_ms.or(other.created_ms),
            stage: self.stage.or(other.stage),
            aliases: first(self.aliases, other.aliases),
            framework: self.framework.or(other.framework),
            run_id: self.run_id.or(other.run_id),
            size_bytes: self.size_bytes.or(other.size_bytes),
            training: self.training.or(other.training),
            evaluations: first(self.evaluations, other.evaluations),
        }
    }
}

/// The first list that is not empty.
fn first<T>(mine: Vec<T>, theirs: Vec<T>) -> Vec<T> {
    if mine.is_empty() { theirs } else { mine }
}

/// A time as RFC 3339, or seconds since the Unix epoch.
#[derive(Deserialize)]
#[serde(untagged)]
enum RawTime {
    Seconds(f64),
    Text(String),
}

impl RawTime {
    fn ms(&self, field: &str) -> Result<i64, String> {
        match self {
            Self::Seconds(seconds) if seconds.is_finite() => Ok((seconds * 1000.0).round() as i64),
            Self::Seconds(_) => Err(format!("{field} is no time")),
            Self::Text(text) => chrono::DateTime::parse_from_rfc3339(text)
                .map(|time| time.timestamp_millis())
                .map_err(|_| format!("{field}: {text:?} is no time such as 2026-01-31T08:00:00Z")),
        }
    }
}

/// Aliases of the model: name to version; of a version: a list of names.
#[derive(Deserialize)]
#[serde(untagged)]
enum RawAliases {
    Versions(BTreeMap<String, RawVersion>),
    Names(Vec<String>),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawVersion {
    Number(u64),
    Text(String),
}

/// What is not listed here is somebody's own, and left alone.
#[derive(Deserialize)]
struct RawModel {
    created: Option<RawTime>,
    stage: Option<String>,
    aliases: Option<RawAliases>,
    framework: Option<String>,
    run_id: Option<String>,
    size_bytes: Option<u64>,
    training: Option<RawTraining>,
    evaluation: Option<RawEvaluations>,
}

#[derive(Deserialize)]
struct RawTraining {
    dataset: Option<String>,
    path: Option<String>,
    rows: Option<u64>,
    size_bytes: Option<u64>,
    time: Option<RawTime>,
    #[serde(default)]
    features: BTreeMap<String, RawFeature>,
}

#[derive(Deserialize)]
struct RawFeature {
    bin_edges: Option<Vec<f64>>,
    counts: Option<Vec<f64>>,
    categories: Option<BTreeMap<String, f64>>,
    missing_ratio: Option<f64>,
    min: Option<f64>,
    max: Option<f64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawEvaluations {
    One(BTreeMap<String, f64>),
    Some(Vec<RawEvaluation>),
}

#[derive(Deserialize)]
struct RawEvaluation {
    #[serde(default)]
    dataset: String,
    metrics: BTreeMap<String, f64>,
}

/// Reads a `model.json`, of a version or of a model: the record, and the versions that it gives aliases to.
///
/// # Errors
/// What is wrong, with its line or its field.
pub fn read_model(bytes: &[u8]) -> Result<(VersionRecord, BTreeMap<String, String>), String> {
    let raw: RawModel = serde_json::from_slice(bytes).map_err(explain)?;
    let time = |time: Option<RawTime>, field: &str| time.map(|time| time.ms(field)).transpose();
    let (mut names, mut versions) = (Vec::new(), BTreeMap::new());
    match raw.aliases {
        None => {}
        Some(RawAliases::Names(list)) => names = list,
        Some(RawAliases::Versions(map)) => {
            versions = map
                .into_iter()
                .map(|(alias, version)| match version {
                    RawVersion::Number(number) => (alias, number.to_string()),
                    RawVersion::Text(text) => (alias, text),
                })
                .collect();
        }
    }
    let evaluations = match raw.evaluation {
        None => Vec::new(),
        Some(RawEvaluations::One(metrics)) => vec![Evaluation {
            dataset: String::new(),
            metrics,
        }],
        Some(RawEvaluations::Some(list)) => list
            .into_iter()
            .map(|RawEvaluation { dataset, metrics }| Evaluation { dataset, metrics })
            .collect(),
    };
    let training = raw.training.map(|training| {
        let features = training.features.into_iter();
        let features = features.map(|(name, raw)| match statistics(raw) {
            Ok(statistics) => Ok((name, statistics)),
            Err(error) => Err(format!("training.features.{name}: {error}")),
        });
        Ok::<_, String>(Training {
            dataset: training.dataset,
            path: training.path,
            rows: training.rows,
            size_bytes: training.size_bytes,
            modified_ms: time(training.time, "training.time")?,
            features: features.collect::<Result<_, _>>()?,
        })
    });
    let record = VersionRecord {
        name: None,
        created_ms: time(raw.created, "created")?,
        stage: raw.stage.filter(|stage| !stage.is_empty()),
        aliases: names,
        framework: raw.framework,
        run_id: raw.run_id,
        size_bytes: raw.size_bytes,
        training: training.transpose()?,
        evaluations,
    };
    let metrics: usize = record
        .evaluations
        .iter()
        .map(|evaluation| evaluation.metrics.len())
        .sum();
    let features = record.training.as_ref().map_or(0, |training| training.features.len());
    for (count, what) in [
        (metrics, "metrics"),
        (features, "features"),
        (record.aliases.len() + versions.len(), "aliases"),
    ] {
        if count > MOST_ENTRIES {
            return Err(format!("{count} {what} are over the limit of {MOST_ENTRIES}"));
        }
    }
    Ok((record, versions))
}

fn statistics(raw: RawFeature) -> Result<Window, String> {
    let mut window = match (raw.bin_edges, raw.counts, raw.categories) {
        (Some(edges), Some(counts), None) => {
            let mut window = Window::of(Column::Buckets(Buckets::from_edges(&edges, &counts)?));
            window.range = edges.first().copied().zip(edges.last().copied());
            window
        }
        (None, None, Some(counts)) => {
            let mut categories = Categories::default();
            for (name, count) in counts {
                if !count.is_finite() || count < 0.0 {
                    return Err(format!(
                        "category {name} has the count {count}; counts are numbers from 0"
                    ));
                }
                categories.add(&name, count, MOST_ENTRIES);
            }
            Window::of(Column::Categories(categories))
        }
        _ => return Err("write bin_edges and counts of numbers, or categories with their counts".to_owned()),
    };
    if let Some(ratio) = raw.missing_ratio
        && !(0.0..=1.0).contains(&ratio)
    {
        return Err(format!("missing_ratio {ratio} is not within 0 to 1"));
    }
    window.missing_ratio = raw.missing_ratio;
    if let Some((least, greatest)) = window.range {
        window.range = Some((raw.min.unwrap_or(least), raw.max.unwrap_or(greatest)));
    }
    Ok(window)
}

/// Reads a `metrics.json`: numbers by name, in any depth; names of inner ones are joined with dots. Texts and lists,
/// which are others' notes and curves, are left out.
///
/// # Errors
/// What is wrong, with its line.
pub fn read_metrics(bytes: &[u8]) -> Result<Evaluation, String> {
    let value: serde_json::Value = serde_json::from_slice(bytes).map_err(explain)?;
    let serde_json::Value::Object(_) = &value else {
        return Err("must be an object of names and numbers".to_owned());
    };
    let mut evaluation = Evaluation::default();
    flatten("", &value, &mut evaluation.metrics);
    match evaluation.metrics.len() {
        count if count > MOST_ENTRIES => Err(format!("{count} metrics are over the limit of {MOST_ENTRIES}")),
        _ => Ok(evaluation),
    }
}

fn flatten(path: &str, value: &serde_json::Value, into: &mut BTreeMap<String, f64>) {
    match value {
        serde_json::Value::Object(fields) => {
            for (name, value) in fields {
                let path = if path.is_empty() {
                    name.clone()
                } else {
                    format!("{path}.{name}")
                };
                flatten(&path, value, into);
            }
        }
        serde_json::Value::Number(number) => {
            into.extend(number.as_f64().map(|number| (path.to_owned(), number)));
        }
        _ => {}
    }
}

fn explain(error: serde_json::Error) -> String {
    let text = error.to_string();
    match text.strip_prefix("data did not match any variant of untagged enum ") {
        Some(rest) => {
            let place = rest.split_once(" at ").map_or("", |(_, place)| place);
            let what = match rest.split_whitespace().next() {
                Some("RawTime") => "a time must be a text such as 2026-01-31T08:00:00Z, or seconds",
                Some("RawAliases") => "aliases must be a list of names, or a mapping of names to versions",
                _ => "evaluation must be a mapping of names to numbers, or a list of {dataset, metrics}",
            };
            format!("{what}, at {place}")
        }
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version() {
        let text = r#"{"created": "2023-11-14T22:13:20Z", "stage": "production", "aliases": ["champion"], "framework": "sklearn",
            "owner": {"team": "risk"},
            "training": {"dataset": "oct", "path": "datasets/oct/", "rows": 7, "time": 1700000000, "features": {
                "amount": {"bin_edges": [0, 1, 2], "counts": [3, 4], "missing_ratio": 0.1, "max": 5},
                "country": {"categories": {"DE": 3, "FR": 4}}}},
            "evaluation": {"accuracy": 0.9, "f1": 0.8}}"#;
        let (record, versions) = read_model(text.as_bytes()).unwrap();
        assert!(versions.is_empty());
        assert_eq!(record.created_ms, Some(1_700_000_000_000));
        let training = record.training.unwrap();
        assert_eq!(
            (training.rows, training.modified_ms),
            (Some(7), Some(1_700_000_000_000))
        );
        let amount = &training.features["amount"];
        assert_eq!(
            (amount.range, amount.missing_ratio, amount.values),
            (Some((0.0, 5.0)), Some(0.1), 7.0)
        );
        assert_eq!(record.evaluations[0].metrics["f1"], 0.8);
        let list = br#"{"evaluation": [{"dataset": "test", "metrics": {"auc": 0.7}}, {"metrics": {"auc": 0.6}}]}"#;
        let evaluations = read_model(list).unwrap().0.evaluations;
        assert_eq!(
            (evaluations[0].dataset.as_str(), evaluations[1].metrics["auc"]),
            ("test", 0.6)
        );
    }

    #[test]
    fn a_model() {
        let (_, versions) = read_model(br#"{"aliases": {"production": 3, "candidate": "v4"}}"#).unwrap();
        assert_eq!(versions["production"], "3");
        assert_eq!(versions["candidate"], "v4");
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, want) in [
            ("{", "line 1"),
            (r#"{"created": "noon"}"#, "created: \"noon\" is no time such as"),
            (r#"{"created": []}"#, "a time must be a text"),
            (
                r#"{"evaluation": {"f1": "high"}}"#,
                "evaluation must be a mapping of names to numbers",
            ),
            (r#"{"aliases": 3}"#, "aliases must be a list"),
            (
                r#"{"training": {"features": {"x": {}}}}"#,
                "training.features.x: write bin_edges",
            ),
            (
                r#"{"training": {"features": {"x": {"bin_edges": [1], "counts": [1]}}}}"#,
                "training.features.x: 1 bin_edges and 1 counts",
            ),
            (
                r#"{"training": {"features": {"x": {"categories": {"a": -1}, "missing_ratio": 2}}}}"#,
                "category a has the count -1",
            ),
        ] {
            let error = read_model(text.as_bytes()).unwrap_err();
            assert!(error.contains(want), "{text}: {error}");
        }
    }

    #[test]
    fn metrics_of_dvc() {
        let text = br#"{"train": {"loss": 0.3}, "accuracy": 0.9, "note": "fine", "roc": [1, 2]}"#;
        let metrics = read_metrics(text).unwrap().metrics;
        assert_eq!(
            metrics.into_iter().collect::<Vec<_>>(),
            [("accuracy".into(), 0.9), ("train.loss".into(), 0.3)]
        );
        assert!(read_metrics(b"[]").is_err());
    }
}
