//! Prometheus' flags about queries, which rules are too.

use clap::Args;

#[derive(Clone, Debug, Args)]
pub(crate) struct QueryFlags {
    /// How far back a query looks for a sample [default: 5m]
    #[arg(long = "query.lookback-delta", value_name = "DURATION", value_parser = crate::cli::duration)]
    lookback_delta_ms: Option<i64>,
    /// The longest that a query may take [default: 2m]
    #[arg(long = "query.timeout", value_name = "DURATION", value_parser = crate::cli::duration)]
    timeout_ms: Option<i64>,
    /// How many queries are answered at a time [default: 20]
    #[arg(long = "query.max-concurrency", value_name = "COUNT")]
    max_concurrency: Option<usize>,
    /// The most samples that a query may hold in memory [default: 50000000]
    #[arg(long = "query.max-samples", value_name = "COUNT")]
    max_samples: Option<usize>,
    /// Prometheus' feature flags, separated by commas; of those that are not always on here:
    /// created-timestamp-zero-ingestion, otlp-native-delta-ingestion, promql-delayed-name-removal, type-and-unit-labels
    #[arg(long = "enable-feature", value_name = "FEATURES", value_delimiter = ',')]
    features: Vec<String>,
}

/// Features of Prometheus that are always on here.
const ALWAYS_ON: [&str; 8] = [
    "auto-reload-config",
    "exemplar-storage",
    "native-histograms",
    "otlp-deltatocumulative",
    "promql-binop-fill-modifiers",
    "promql-duration-expr",
    "promql-experimental-functions",
    "promql-extended-range-selectors",
];
const NATIVE_DELTAS: &str = "otlp-native-delta-ingestion";
const DELAYED_NAME_REMOVAL: &str = "promql-delayed-name-removal";
const START_TIMESTAMPS: &str = "created-timestamp-zero-ingestion";
const TYPE_AND_UNIT_LABELS: &str = "type-and-unit-labels";

impl QueryFlags {
    fn has(&self, feature: &str) -> bool {
        self.features.iter().any(|one| one == feature)
    }

    /// Says which features are not known.
    pub(crate) fn warn(&self) {
        for feature in &self.features {
            let known = ALWAYS_ON.contains(&feature.as_str())
                || [
                    DELAYED_NAME_REMOVAL,
                    NATIVE_DELTAS,
                    START_TIMESTAMPS,
                    TYPE_AND_UNIT_LABELS,
                ]
                .contains(&feature.as_str());
            if !known {
                tracing::warn!(option = %feature, "Unknown option for --enable-feature: it changes nothing");
            }
        }
    }

    pub(crate) fn apply(&self, api: &mut parapet_api::Settings) {
        set(&mut api.lookback_delta_ms, self.lookback_delta_ms);
        set(&mut api.query_timeout_ms, self.timeout_ms.map(i64::unsigned_abs));
        set(&mut api.max_concurrent_queries, self.max_concurrency);
        set(&mut api.max_samples, self.max_samples);
        api.delayed_name_removal = self.has(DELAYED_NAME_REMOVAL);
        api.otlp_native_deltas |= self.has(NATIVE_DELTAS);
        api.type_and_unit_labels = self.has(TYPE_AND_UNIT_LABELS);
    }

    pub(crate) fn apply_to_rules(&self, rules: &mut parapet_rule_evaluation::Settings) {
        set(&mut rules.lookback_delta_ms, self.lookback_delta_ms);
        set(&mut rules.max_samples, self.max_samples);
        rules.delayed_name_removal = self.has(DELAYED_NAME_REMOVAL);
        rules.type_and_unit_labels = self.has(TYPE_AND_UNIT_LABELS);
    }

    pub(crate) fn apply_to_scrapes(&self, scraper: &mut parapet_scraper::Settings) {
        scraper.start_timestamps |= self.has(START_TIMESTAMPS);
        scraper.type_and_unit_labels |= self.has(TYPE_AND_UNIT_LABELS);
    }

    /// As `/api/v1/status/flags` shows them.
    pub(crate) fn shown(&self) -> [(&'static str, String); 5] {
        let duration =
            |ms: Option<i64>, default: &str| ms.map_or(default.to_owned(), parapet_model::format_duration_ms);
        let count = |count: Option<usize>, default: &str| count.map_or(default.to_owned(), |count| count.to_string());
        [
            ("query.lookback-delta", duration(self.lookback_delta_ms, "5m")),
            ("query.timeout", duration(self.timeout_ms, "2m")),
            ("query.max-concurrency", count(self.max_concurrency, "20")),
            ("query.max-samples", count(self.max_samples, "50000000")),
            ("enable-feature", self.features.join(",")),
        ]
    }
}

fn set<T>(setting: &mut T, flag: Option<T>) {
    if let Some(flag) = flag {
        *setting = flag;
    }
}
