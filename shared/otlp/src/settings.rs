//! How metrics are translated: the section `otlp` of `prometheus.yml`.

use std::collections::BTreeSet;

/// Which attributes of a resource become labels of its series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Promotion {
    /// These (`promote_resource_attributes`).
    Only(BTreeSet<String>),
    /// All but these (`promote_all_resource_attributes`, `ignore_resource_attributes`).
    AllBut(BTreeSet<String>),
}

impl Promotion {
    pub(crate) fn takes(&self, name: &str) -> bool {
        match self {
            Self::Only(names) => names.contains(name),
            Self::AllBut(names) => !names.contains(name),
        }
    }
}

/// What becomes of sums and histograms of delta temporality.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Deltas {
    /// They are given apart, to be added up to cumulative ones.
    #[default]
    Apart,
    /// They are samples as they are, of unknown kind (`--enable-feature=otlp-native-delta-ingestion`).
    AsTheyAre,
}

/// How metrics are translated. The default is that of Prometheus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Whether names get suffixes for units and kinds.
    pub add_suffixes: bool,
    /// Whether names keep characters outside the classic set.
    pub allow_utf8: bool,
    /// Whether a label that begins with one underscore gets `key` before (`label_name_underscore_sanitization`).
    pub sanitize_underscores: bool,
    /// Whether several underscores of a label stay (`label_name_preserve_multiple_underscores`).
    pub preserve_underscores: bool,
    /// Attributes of resources that become labels.
    pub promotion: Promotion,
    /// Whether `target_info` has the attributes that are `job` and `instance` already.
    pub keep_identifying_resource_attributes: bool,
    /// Whether histograms with explicit bounds become native ones with custom buckets.
    pub convert_histograms_to_nhcb: bool,
    /// Whether the scope's name, version, schema and attributes become labels.
    pub promote_scope_metadata: bool,
    /// What becomes of deltas.
    pub deltas: Deltas,
    /// How far back a query looks, milliseconds: so often, and twice, `target_info` stands between the first and the last
    /// point of a resource.
    pub lookback_delta_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            add_suffixes: true,
            allow_utf8: false,
            sanitize_underscores: true,
            preserve_underscores: true,
            promotion: Promotion::Only(BTreeSet::new()),
            keep_identifying_resource_attributes: false,
            convert_histograms_to_nhcb: false,
            promote_scope_metadata: false,
            deltas: Deltas::Apart,
            lookback_delta_ms: 300_000,
        }
    }
}
