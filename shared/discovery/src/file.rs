//! `file_sd_configs`: groups in YAML or JSON files.

use crate::groups::{self, Written};
use parapet_config::TargetGroup;

/// The groups of a file; its path is the label `__meta_filepath`.
///
/// # Errors
/// What is wrong with it.
pub fn targets(path: &str, text: &str) -> Result<Vec<TargetGroup>, String> {
    let json = path
        .rsplit('.')
        .next()
        .is_some_and(|end| end.eq_ignore_ascii_case("json"));
    let written: Option<Vec<Option<Written>>> = if json {
        serde_json::from_str(text).map_err(|error| format!("{path}: {error}"))?
    } else {
        serde_saphyr::from_str(text).map_err(|error| format!("{path}: {}", error.without_snippet()))?
    };
    let written = written.unwrap_or_default();
    groups::read(written, |index| format!("{path}:{index}"), ("__meta_filepath", path))
        .map_err(|what| format!("{path}: {what}"))
}
