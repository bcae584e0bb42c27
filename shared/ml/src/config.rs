//! `ml.yml`: where the registry is, and which windows are compared.

use parapet_promql::Expr;
use serde::Deserialize;
use serde_saphyr::{Location, Spanned};
use std::fmt;

/// The configuration of the exporter.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The beginning of the keys of the registry's objects, without the last slash.
    pub prefix: String,
    /// What is compared.
    pub drift: Vec<DriftCheck>,
}

/// A current window of a model's features, and what it is compared with.
#[derive(Clone, Debug, PartialEq)]
pub struct DriftCheck {
    /// The model's name in the registry.
    pub model: String,
    /// A version, an alias or a stage; `None` for the one in production, else the newest.
    pub version: Option<String>,
    /// Tells checks of one model apart.
    pub name: String,
    /// The features; none for all that both windows have.
    pub features: Vec<String>,
    /// Columns that are no features.
    pub exclude: Vec<String>,
    /// How often it is computed, milliseconds: windows end at multiples of it.
    pub every_ms: i64,
    /// In how many bins numbers are counted.
    pub bins: usize,
    /// What the current window is compared with.
    pub reference: Reference,
    /// The current window.
    pub current: Current,
}

/// What a current window is compared with.
#[derive(Clone, Debug, PartialEq)]
pub enum Reference {
    /// The statistics in `model.json`.
    Recorded,
    /// Another window.
    Window(WindowSource),
}

/// A current window.
#[derive(Clone, Debug, PartialEq)]
pub struct Current {
    /// Where it comes from.
    pub source: WindowSource,
    /// How far it goes back, milliseconds; of a query that is in the query.
    pub window_ms: i64,
    /// The column of times by which rows are in it; `None` for the times of objects.
    pub timestamp_column: Option<String>,
}

/// Where the values of a window come from.
#[derive(Clone, Debug, PartialEq)]
pub enum WindowSource {
    /// Parquet objects whose keys begin so.
    Parquet(String),
    /// Histograms of stored series.
    Query {
        /// The query as it is written.
        text: String,
        /// The query.
        expr: Box<Expr>,
        /// The label that names the feature.
        feature_label: String,
    },
}

/// A configuration that cannot be used, with the place of each fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    path: String,
    faults: Vec<(u64, u64, String)>,
}

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (line, column, message)) in self.faults.iter().enumerate() {
            let separator = if index > 0 { "\n" } else { "" };
            write!(f, "{separator}{}:{line}:{column}: {message}", self.path)?;
        }
        Ok(())
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawConfig {
    registry: Option<RawRegistry>,
    drift: Option<Vec<Spanned<RawCheck>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRegistry {
    prefix: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCheck {
    model: Spanned<String>,
    version: Option<Spanned<String>>,
    name: Option<Spanned<String>>,
    #[serde(default)]
    features: Vec<String>,
    #[serde(default)]
    exclude: Vec<String>,
    every: Option<Spanned<String>>,
    bins: Option<Spanned<usize>>,
    reference: Option<Spanned<RawWindow>>,
    current: Spanned<RawWindow>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawWindow {
    recorded: Option<bool>,
    parquet: Option<Spanned<String>>,
    window: Option<Spanned<String>>,
    timestamp_column: Option<Spanned<String>>,
    query: Option<Spanned<String>>,
    feature_label: Option<Spanned<String>>,
}

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
const MINUTE_MS: i64 = 60_000;

impl Config {
    /// Reads an `ml.yml`.
    ///
    /// # Errors
    /// Every fault with its place, or the first that keeps the file from being read.
    pub fn parse(path: &str, text: &str) -> Result<Self, ConfigError> {
        let options = serde_saphyr::options! {
            budget: serde_saphyr::budget! { max_depth: 16, },
        };
        let fail = |faults| ConfigError {
            path: path.to_owned(),
            faults,
        };
        let raw: Option<RawConfig> = serde_saphyr::from_str_with_options(text, options).map_err(|error| {
            let error = error.without_snippet();
            let (line, column) = error
                .location()
                .map_or((1, 1), |at| (at.line().max(1), at.column().max(1)));
            let message = error.render_with_options(serde_saphyr::render_options! {
                snippets: serde_saphyr::SnippetMode::Off,
            });
            let message = message.trim_start_matches("error: ");
            let end = message.rfind(" at line ").unwrap_or(message.len());
            fail(vec![(line, column, message[..end].trim_end_matches(',').to_owned())])
        })?;
        let raw = raw.unwrap_or_default();
        let mut reader = Reader::default();
        let prefix = raw.registry.and_then(|registry| registry.prefix);
        let prefix = prefix.map_or_else(|| "models".to_owned(), |prefix| reader.prefix(&prefix));
        let mut drift: Vec<DriftCheck> = Vec::new();
        for check in raw.drift.unwrap_or_default() {
            let at = check.defined;
            let Some(check) = reader.check(check.value) else {
                continue;
            };
            let same = |other: &DriftCheck| (&other.model, &other.name) == (&check.model, &check.name);
            if drift.iter().any(same) {
                let (model, name) = (&check.model, &check.name);
                reader.fault(
                    at,
                    format!("model {model} has two checks named {name}; give each a name of its own"),
                );
            }
            drift.push(check);
        }
        if reader.0.is_empty() {
            return Ok(Self { prefix, drift });
        }
        reader.0.sort();
        Err(fail(reader.0))
    }
}

/// Collects what is wrong.
#[derive(Default)]
struct Reader(Vec<(u64, u64, String)>);

impl Reader {
    fn fault(&mut self, at: Location, message: impl Into<String>) {
        self.0.push((at.line().max(1), at.column().max(1), message.into()));
    }

    /// The beginning of keys in the bucket.
    fn prefix(&mut self, prefix: &Spanned<String>) -> String {
        let text = prefix.value.trim_end_matches('/');
        if text.contains("://") || text.starts_with('/') {
            let example = "write the part of the keys after the bucket, for example datasets/fraud";
            self.fault(prefix.defined, format!("{text} is no prefix of this bucket: {example}"));
        } else if text.is_empty() {
            self.fault(
                prefix.defined,
                "must be the beginning of keys, for example datasets/fraud",
            );
        }
        text.to_owned()
    }

    fn duration(&mut self, text: Option<&Spanned<String>>, default_ms: i64) -> i64 {
        let Some(text) = text else { return default_ms };
        match parapet_model::parse_duration_ms(&text.value) {
            Ok(duration_ms) if duration_ms >= MINUTE_MS => duration_ms,
            Ok(_) => {
                self.fault(
                    text.defined,
                    format!("{} is less than a minute; write for example 1h", text.value),
                );
                default_ms
            }
            Err(error) => {
                self.fault(text.defined, format!("{error}; write for example 1h"));
                default_ms
            }
        }
    }

    fn name(&mut self, text: &Spanned<String>, field: &str) -> String {
        if text.value.is_empty() {
            self.fault(text.defined, format!("{field} must not be empty"));
        }
        text.value.clone()
    }

    fn check(&mut self, raw: RawCheck) -> Option<DriftCheck> {
        let before = self.0.len();
        let bins = match raw.bins {
            Some(bins) if !(2..=50).contains(&bins.value) => {
                self.fault(bins.defined, "bins must be from 2 to 50");
                10
            }
            bins => bins.map_or(10, |bins| bins.value),
        };
        let reference = match &raw.reference {
            None => Some(Reference::Recorded),
            Some(reference) => self.reference(reference),
        };
        let current = self.current(&raw.current);
        let check = DriftCheck {
            model: self.name(&raw.model, "model"),
            version: raw.version.as_ref().map(|version| self.name(version, "version")),
            name: raw
                .name
                .as_ref()
                .map_or_else(|| "features".to_owned(), |name| self.name(name, "name")),
            features: raw.features,
            exclude: raw.exclude,
            every_ms: self.duration(raw.every.as_ref(), HOUR_MS),
            bins,
            reference: reference?,
            current: current?,
        };
        (self.0.len() == before).then_some(check)
    }

    fn reference(&mut self, raw: &Spanned<RawWindow>) -> Option<Reference> {
        let RawWindow {
            recorded,
            window,
            timestamp_column,
            ..
        } = &raw.value;
        if let Some(field) = window.as_ref().or(timestamp_column.as_ref()) {
            self.fault(
                field.defined,
                "a reference is all of its objects: window and timestamp_column are of current",
            );
            return None;
        }
        match (recorded, self.source(raw, "recorded: true, ")?) {
            (Some(true), None) => Some(Reference::Recorded),
            (None | Some(false), Some(source)) => Some(Reference::Window(source)),
            _ => {
                self.fault(raw.defined, "write one of recorded: true, parquet, query");
                None
            }
        }
    }

    fn current(&mut self, raw: &Spanned<RawWindow>) -> Option<Current> {
        if raw.value.recorded.is_some() {
            self.fault(
                raw.defined,
                "recorded is what a reference can be; write parquet or query",
            );
            return None;
        }
        let Some(source) = self.source(raw, "")? else {
            self.fault(raw.defined, "write one of parquet, query");
            return None;
        };
        let RawWindow {
            window,
            timestamp_column,
            ..
        } = &raw.value;
        if let (WindowSource::Query { .. }, Some(field)) = (&source, window.as_ref().or(timestamp_column.as_ref())) {
            let message = "window and timestamp_column are of parquet; write the range into the query: increase(…[1d])";
            self.fault(field.defined, message);
            return None;
        }
        Some(Current {
            source,
            window_ms: self.duration(window.as_ref(), DAY_MS),
            timestamp_column: timestamp_column
                .as_ref()
                .map(|column| self.name(column, "timestamp_column")),
        })
    }

    /// `None` after a fault.
    fn source(&mut self, raw: &Spanned<RawWindow>, other: &str) -> Option<Option<WindowSource>> {
        let RawWindow {
            parquet,
            query,
            feature_label,
            ..
        } = &raw.value;
        let source = match (parquet, query) {
            (Some(prefix), None) => {
                if let Some(label) = feature_label {
                    self.fault(
                        label.defined,
                        "feature_label is of query; columns name the features of parquet",
                    );
                    return None;
                }
                WindowSource::Parquet(self.prefix(prefix))
            }
            (None, Some(query)) => {
                let expr = match parapet_promql::parse(&query.value) {
                    Ok(expr) => expr,
                    Err(error) => {
                        self.fault(query.defined, format!("query: {error}"));
                        return None;
                    }
                };
                let label = feature_label.as_ref().map(|label| self.name(label, "feature_label"));
                WindowSource::Query {
                    text: query.value.clone(),
                    expr: Box::new(expr),
                    feature_label: label.unwrap_or_else(|| "feature".to_owned()),
                }
            }
            (None, None) => return Some(None),
            (Some(_), Some(_)) => {
                self.fault(raw.defined, format!("write one of {other}parquet, query"));
                return None;
            }
        };
        Some(Some(source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults() {
        let config = Config::parse("ml.yml", "").unwrap();
        assert_eq!((config.prefix.as_str(), config.drift.len()), ("models", 0));
        let text =
            "registry:\n  prefix: mlruns/models/\ndrift:\n- model: fraud\n  current: {parquet: serving/fraud/}\n";
        let config = Config::parse("ml.yml", text).unwrap();
        assert_eq!(config.prefix, "mlruns/models");
        let check = &config.drift[0];
        assert_eq!(
            (check.name.as_str(), check.every_ms, check.bins),
            ("features", HOUR_MS, 10)
        );
        assert_eq!(check.reference, Reference::Recorded);
        assert_eq!(check.current.window_ms, DAY_MS);
        assert_eq!(check.current.source, WindowSource::Parquet("serving/fraud".to_owned()));
    }

    #[test]
    fn every_field() {
        let text = r"drift:
- model: fraud
  version: champion
  name: scores
  features: [score]
  exclude: [id]
  every: 30m
  bins: 20
  reference: {query: 'increase(score_bucket[7d] offset 1w)', feature_label: name}
  current: {query: 'increase(score_bucket[1h])', feature_label: name}
- model: fraud
  reference: {parquet: datasets/fraud}
  current: {parquet: serving/fraud, window: 6h, timestamp_column: ts}
";
        let config = Config::parse("ml.yml", text).unwrap();
        let WindowSource::Query {
            text, feature_label, ..
        } = &config.drift[0].current.source
        else {
            panic!("a query")
        };
        assert_eq!(
            (text.as_str(), feature_label.as_str()),
            ("increase(score_bucket[1h])", "name")
        );
        assert_eq!(config.drift[1].current.timestamp_column.as_deref(), Some("ts"));
    }

    #[test]
    fn every_fault_has_its_place() {
        for (text, want) in [
            ("registry: {prefixes: x}\n", "ml.yml:1:12: unknown field `prefixes`"),
            (
                "registry: {prefix: 's3://b/x'}\n",
                "ml.yml:1:20: s3://b/x is no prefix of this bucket",
            ),
            ("drift:\n- model: a\n", "ml.yml:2:"),
            (
                "drift:\n- model: a\n  current: {}\n",
                "ml.yml:3:12: write one of parquet, query",
            ),
            (
                "drift:\n- {model: a, current: {parquet: x, query: up}}\n",
                "write one of parquet, query",
            ),
            (
                "drift:\n- {model: a, current: {query: 'up{'}}\n",
                "ml.yml:2:31: query: ",
            ),
            (
                "drift:\n- {model: a, current: {query: up, window: 1h}}\n",
                "write the range into the query",
            ),
            (
                "drift:\n- {model: a, every: 1s, current: {parquet: x}}\n",
                "1s is less than a minute",
            ),
            (
                "drift:\n- {model: a, bins: 1, current: {parquet: x}}\n",
                "bins must be from 2 to 50",
            ),
            (
                "drift:\n- {model: a, reference: {parquet: x, window: 1d}, current: {parquet: x}}\n",
                "a reference is all",
            ),
            (
                "drift:\n- {model: a, reference: {}, current: {parquet: x}}\n",
                "write one of recorded: true",
            ),
            (
                "drift:\n- {model: a, current: {parquet: x}}\n- {model: a, current: {parquet: y}}\n",
                "ml.yml:3:3: model a has two checks named features",
            ),
        ] {
            let error = Config::parse("ml.yml", text).unwrap_err().to_string();
            assert!(error.contains(want), "{text}: {error}");
        }
        let two = "drift:\n- {model: '', every: soon, current: {parquet: x}}\n";
        assert_eq!(Config::parse("ml.yml", two).unwrap_err().to_string().lines().count(), 2);
    }
}
