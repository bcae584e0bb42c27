//! From what is known to series.

use crate::{Comparison, VersionRecord, Window};
use parapet_drift::Test;
use parapet_model::{BatchSeries, Labels, MetricType, Sample};
use std::collections::BTreeMap;

/// Everything that one run of the exporter has found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// Versions of models.
    pub models: Vec<ModelMetrics>,
    /// Features whose windows were compared.
    pub drift: Vec<DriftMetrics>,
    /// How much was left out, by reason.
    pub errors: BTreeMap<Reason, u64>,
}

/// A version of a model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelMetrics {
    /// The model's name.
    pub model: String,
    /// The version's name.
    pub version: String,
    /// When it was made, milliseconds since the Unix epoch.
    pub created_ms: i64,
    /// Its size, bytes.
    pub size_bytes: u64,
    /// Names under which it is asked for, its stage in lower case among them.
    pub aliases: Vec<String>,
    /// What its files say.
    pub record: VersionRecord,
    /// What it was trained on.
    pub dataset: Option<DatasetMetrics>,
}

/// A training set, from what is recorded and what lies in the bucket.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DatasetMetrics {
    /// Its name.
    pub name: String,
    /// Rows.
    pub rows: Option<u64>,
    /// Its size, bytes.
    pub size_bytes: Option<u64>,
    /// When it was last changed, milliseconds since the Unix epoch.
    pub modified_ms: Option<i64>,
}

/// A feature of which two windows were compared.
#[derive(Clone, Debug, PartialEq)]
pub struct DriftMetrics {
    /// The model's name.
    pub model: String,
    /// The version's name.
    pub version: String,
    /// The name of the check.
    pub check: String,
    /// The feature.
    pub feature: String,
    /// Values and share of missing ones of the reference and of the current window.
    pub windows: [(f64, Option<f64>); 2],
    /// How they differ; `None` where one of them is empty.
    pub comparison: Option<Comparison>,
}

/// Why something was left out of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// A file of the registry does not read.
    Registry,
    /// A Parquet file does not read.
    Parquet,
    /// A query has no answer, or one that is no histogram.
    Query,
    /// Windows that cannot be compared.
    Drift,
    /// A limit was reached.
    Limit,
}

impl Reason {
    const ALL: [Self; 5] = [Self::Registry, Self::Parquet, Self::Query, Self::Drift, Self::Limit];

    /// The value of the label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Registry => "registry",
            Self::Parquet => "parquet",
            Self::Query => "query",
            Self::Drift => "drift",
            Self::Limit => "limit",
        }
    }
}

/// The value of label `job` of every series of the exporter.
pub(crate) const JOB: &str = "ml-exporter";

impl Snapshot {
    /// The label by which every series of the exporter is known, name and value.
    pub const JOB: (&'static str, &'static str) = ("job", JOB);

    /// The version that a check is of: one that has this name, alias or stage; without a name the one in production, else
    /// the newest.
    #[must_use]
    pub fn version_of(models: &[ModelMetrics], model: &str, version: Option<&str>) -> Option<usize> {
        let of_model = || models.iter().enumerate().filter(|(_, found)| found.model == model);
        let newest = |found: Vec<(usize, &ModelMetrics)>| {
            let newest = found
                .into_iter()
                .max_by_key(|(_, found)| (found.created_ms, &found.version));
            newest.map(|(place, _)| place)
        };
        let called = |name: &str| {
            let has_alias = |found: &ModelMetrics| found.aliases.iter().any(|alias| alias.eq_ignore_ascii_case(name));
            newest(of_model().filter(|(_, found)| has_alias(found)).collect())
        };
        match version {
            Some(version) => {
                let exact = of_model().find(|(_, found)| found.version == version);
                exact.map(|(place, _)| place).or_else(|| called(version))
            }
            None => called("production").or_else(|| newest(of_model().collect())),
        }
    }

    /// The series, each with its sample at `at_ms`, in order of labels.
    #[must_use]
    pub fn series(&self, at_ms: i64) -> Vec<BatchSeries> {
        let mut out = Out {
            at_ms,
            series: BTreeMap::new(),
        };
        for model in &self.models {
            out.model(model);
        }
        for drift in &self.drift {
            out.drift(drift);
        }
        let models: std::collections::BTreeSet<&str> = self.models.iter().map(|model| model.model.as_str()).collect();
        out.add("ml_exporter_models", &[], models.len() as f64);
        out.add("ml_exporter_versions", &[], self.models.len() as f64);
        out.add("ml_exporter_last_run_timestamp_seconds", &[], at_ms as f64 / 1000.0);
        for reason in Reason::ALL {
            let count = self.errors.get(&reason).copied().unwrap_or(0);
            out.add("ml_exporter_errors", &[("reason", reason.as_str())], count as f64);
        }
        let series = out.series.into_iter().map(|(labels, value)| BatchSeries {
            labels,
            kind: MetricType::Gauge,
            samples: vec![Sample::float(at_ms, value)],
            exemplars: Vec::new(),
        });
        series.collect()
    }
}

/// Series by their labels: none twice.
struct Out {
    at_ms: i64,
    series: BTreeMap<Labels, f64>,
}

impl Out {
    fn add(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        let pairs = [("__name__", name), ("job", JOB)];
        let labels = Labels::from_pairs(pairs.iter().chain(labels).copied());
        self.series.insert(labels, value);
    }

    fn time(&mut self, name: &str, labels: &[(&str, &str)], time_ms: i64, event: &str) {
        let seconds = |ms: i64| ms as f64 / 1000.0;
        self.add(&format!("{name}_{event}_timestamp_seconds"), labels, seconds(time_ms));
        self.add(&format!("{name}_age_seconds"), labels, seconds(self.at_ms - time_ms));
    }

    fn model(&mut self, found: &ModelMetrics) {
        let of: [(&str, &str); 2] = [("model", &found.model), ("version", &found.version)];
        let with = |more: &[(&'static str, &str)]| -> Vec<(String, String)> {
            let all = of.iter().chain(more.iter());
            all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect()
        };
        let record = &found.record;
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let (framework, run_id, stage) = (text(&record.framework), text(&record.run_id), text(&record.stage));
        let info = with(&[("framework", &framework), ("run_id", &run_id), ("stage", &stage)]);
        self.add_owned("ml_model_info", &info, 1.0);
        for alias in &found.aliases {
            self.add_owned("ml_model_alias", &with(&[("alias", alias)]), 1.0);
        }
        self.time("ml_model", &of, found.created_ms, "created");
        self.add("ml_model_size_bytes", &of, found.size_bytes as f64);
        for evaluation in &record.evaluations {
            for (metric, value) in &evaluation.metrics {
                let labels = with(&[("metric", metric), ("dataset", &evaluation.dataset)]);
                self.add_owned("ml_model_evaluation", &labels, *value);
            }
        }
        let Some(dataset) = &found.dataset else { return };
        let labels: [(&str, &str); 3] = [of[0], of[1], ("dataset", &dataset.name)];
        for (name, value) in [
            ("ml_dataset_rows", dataset.rows),
            ("ml_dataset_size_bytes", dataset.size_bytes),
        ] {
            if let Some(value) = value {
                self.add(name, &labels, value as f64);
            }
        }
        if let Some(modified_ms) = dataset.modified_ms {
            self.time("ml_dataset", &labels, modified_ms, "last_modified");
        }
    }

    fn add_owned(&mut self, name: &str, labels: &[(String, String)], value: f64) {
        let labels: Vec<(&str, &str)> = labels
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        self.add(name, &labels, value);
    }

    fn drift(&mut self, found: &DriftMetrics) {
        let of: [(&str, &str); 4] = [
            ("model", &found.model),
            ("version", &found.version),
            ("check", &found.check),
            ("feature", &found.feature),
        ];
        for (window, (values, missing)) in ["reference", "current"].into_iter().zip(found.windows) {
            let labels = [of[0], of[1], of[2], of[3], ("window", window)];
            self.add("ml_drift_window_values", &labels, values);
            if let Some(missing) = missing {
                self.add("ml_feature_missing_ratio", &labels, missing);
            }
        }
        let Some(comparison) = &found.comparison else { return };
        self.add("ml_drift_psi", &of, comparison.psi);
        self.add("ml_drift_js_distance", &of, comparison.jensen_shannon);
        let mut test = |name: &str, test: Test| {
            self.add(&format!("ml_drift_{name}_statistic"), &of, test.statistic);
            self.add(&format!("ml_drift_{name}_p_value"), &of, test.p_value);
        };
        test("chi_squared", comparison.chi_squared);
        if let Some(found) = comparison.kolmogorov_smirnov {
            test("ks", found);
        }
        if let Some(ratio) = comparison.out_of_range_ratio {
            self.add("ml_feature_out_of_range_ratio", &of, ratio);
        }
    }
}

impl DriftMetrics {
    /// What is told of a window that is not compared.
    #[must_use]
    pub fn window(window: Option<&Window>) -> (f64, Option<f64>) {
        window.map_or((0.0, None), |window| (window.values, window.missing_ratio))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Evaluation;

    fn model(version: &str, created_ms: i64, aliases: &[&str]) -> ModelMetrics {
        ModelMetrics {
            model: "fraud".to_owned(),
            version: version.to_owned(),
            created_ms,
            size_bytes: 7,
            aliases: aliases.iter().map(|alias| (*alias).to_owned()).collect(),
            ..ModelMetrics::default()
        }
    }

    #[test]
    fn the_version_that_is_meant() {
        let models = [
            model("1", 10, &["production"]),
            model("2", 20, &["champion"]),
            model("3", 20, &[]),
        ];
        let of = |version| Snapshot::version_of(&models, "fraud", version);
        assert_eq!(
            (of(None), of(Some("3")), of(Some("Champion")), of(Some("9"))),
            (Some(0), Some(2), Some(1), None)
        );
        assert_eq!(Snapshot::version_of(&models[1..], "fraud", None), Some(1));
        assert_eq!(Snapshot::version_of(&models, "churn", None), None);
    }

    #[test]
    fn series_of_a_version() {
        let mut found = model("3", 1_000, &["production"]);
        found.record.framework = Some("torch".to_owned());
        found.record.evaluations = vec![Evaluation {
            dataset: "test".to_owned(),
            metrics: [("f1".to_owned(), 0.5)].into(),
        }];
        found.dataset = Some(DatasetMetrics {
            name: "oct".to_owned(),
            rows: Some(9),
            size_bytes: None,
            modified_ms: Some(2_000),
        });
        let snapshot = Snapshot {
            models: vec![found],
            errors: [(Reason::Parquet, 2)].into(),
            ..Snapshot::default()
        };
        let shown: Vec<String> = snapshot
            .series(61_000)
            .iter()
            .map(|series| {
                format!(
                    "{} {:?}",
                    series.labels.without(|name| name == "job"),
                    series.samples[0].value
                )
            })
            .collect();
        let want = [
            r#"ml_dataset_age_seconds{dataset="oct", model="fraud", version="3"} Float(59.0)"#,
            r#"ml_dataset_last_modified_timestamp_seconds{dataset="oct", model="fraud", version="3"} Float(2.0)"#,
            r#"ml_dataset_rows{dataset="oct", model="fraud", version="3"} Float(9.0)"#,
            r#"ml_exporter_errors{reason="drift"} Float(0.0)"#,
            r#"ml_exporter_errors{reason="limit"} Float(0.0)"#,
            r#"ml_exporter_errors{reason="parquet"} Float(2.0)"#,
            r#"ml_exporter_errors{reason="query"} Float(0.0)"#,
            r#"ml_exporter_errors{reason="registry"} Float(0.0)"#,
            r"ml_exporter_last_run_timestamp_seconds Float(61.0)",
            r"ml_exporter_models Float(1.0)",
            r"ml_exporter_versions Float(1.0)",
            r#"ml_model_age_seconds{model="fraud", version="3"} Float(60.0)"#,
            r#"ml_model_alias{alias="production", model="fraud", version="3"} Float(1.0)"#,
            r#"ml_model_created_timestamp_seconds{model="fraud", version="3"} Float(1.0)"#,
            r#"ml_model_evaluation{dataset="test", metric="f1", model="fraud", version="3"} Float(0.5)"#,
            r#"ml_model_info{framework="torch", model="fraud", version="3"} Float(1.0)"#,
            r#"ml_model_size_bytes{model="fraud", version="3"} Float(7.0)"#,
        ];
        assert_eq!(shown, want);
    }
}
