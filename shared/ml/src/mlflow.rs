//! MLflow's own files: `MLmodel`, which lies beside a saved model, and `meta.yaml` of its file store's registry.
//!
//! Fields: `mlflow/models/model.py` and `mlflow/entities/model_registry/model_version.py` of MLflow.

use crate::VersionRecord;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct MlModel {
    utc_time_created: Option<String>,
    run_id: Option<String>,
    model_size_bytes: Option<u64>,
    #[serde(default)]
    flavors: BTreeMap<String, serde::de::IgnoredAny>,
}

/// Reads an `MLmodel`.
///
/// # Errors
/// What is wrong, with its line.
pub fn read_mlmodel(text: &str) -> Result<VersionRecord, String> {
    let model: MlModel = yaml(text)?;
    let created_ms = model.utc_time_created.as_deref().map(|text| {
        // `2023-11-14 22:13:20.123456`, always UTC.
        let time = chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f");
        time.map(|time| time.and_utc().timestamp_millis())
            .map_err(|_| format!("utc_time_created: {text:?} is no time such as 2026-01-31 08:00:00.123456"))
    });
    // `python_function` is how any model is called; the other flavour is what it is.
    let flavor = model.flavors.keys().find(|flavor| *flavor != "python_function");
    Ok(VersionRecord {
        created_ms: created_ms.transpose()?,
        framework: flavor.or(model.flavors.keys().next()).cloned(),
        run_id: model.run_id.filter(|id| !id.is_empty()),
        size_bytes: model.model_size_bytes,
        ..VersionRecord::default()
    })
}

#[derive(Deserialize)]
struct Meta {
    version: Option<serde_json::Value>,
    creation_timestamp: Option<i64>,
    current_stage: Option<String>,
    run_id: Option<String>,
}

/// Reads the `meta.yaml` of a registered version.
///
/// # Errors
/// What is wrong, with its line.
pub fn read_meta(text: &str) -> Result<VersionRecord, String> {
    let meta: Meta = yaml(text)?;
    Ok(VersionRecord {
        name: meta.version.map(|version| match version {
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        }),
        created_ms: meta.creation_timestamp,
        // MLflow's word for no stage.
        stage: meta.current_stage.filter(|stage| !stage.is_empty() && stage != "None"),
        run_id: meta.run_id.filter(|id| !id.is_empty()),
        ..VersionRecord::default()
    })
}

fn yaml<'de, T: Deserialize<'de>>(text: &'de str) -> Result<T, String> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_depth: 48, },
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| error.without_snippet().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saved_model() {
        let text = "artifact_path: model\nflavors:\n  python_function:\n    env: conda.yaml\n  sklearn:\n    code: null\n    \
            pickled_model: model.pkl\nmlflow_version: 2.9.2\nmodel_size_bytes: 1024\nmodel_uuid: abc\nrun_id: r1\n\
            utc_time_created: '2023-11-14 22:13:20.5'\n";
        let record = read_mlmodel(text).unwrap();
        assert_eq!(record.created_ms, Some(1_700_000_000_500));
        assert_eq!(
            (record.framework.as_deref(), record.run_id.as_deref()),
            (Some("sklearn"), Some("r1"))
        );
        assert_eq!(record.size_bytes, Some(1024));
        let error = read_mlmodel("utc_time_created: yesterday\n").unwrap_err();
        assert!(error.contains("yesterday"), "{error}");
        assert!(read_mlmodel("flavors: [\n").unwrap_err().contains("line"));
    }

    #[test]
    fn a_registered_version() {
        let text = "aliases: []\ncreation_timestamp: 1700000000000\ncurrent_stage: Production\nname: fraud\nrun_id: r1\n\
            source: s3://bucket/x\nstatus: READY\nversion: 3\n";
        let record = read_meta(text).unwrap();
        assert_eq!(
            (record.name.as_deref(), record.stage.as_deref()),
            (Some("3"), Some("Production"))
        );
        assert_eq!(read_meta("current_stage: None\nversion: '4'\n").unwrap().stage, None);
        assert_eq!(read_meta("version: '4'\n").unwrap().name.as_deref(), Some("4"));
    }
}
