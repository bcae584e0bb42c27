//! Models in a bucket: what a registry holds, how a window of a feature differs from another, and the metrics of both.
//!
//! ```text
//! names of objects ─ Layout ─► models, versions ─ their files ─► VersionRecord ─┐
//! Parquet ─ TableFile ─► Column ─┐                                              ├─ metrics ─► series
//! histograms ─ Buckets ──────────┴─► Window ─ compare ─► Comparison ────────────┘
//! ml.yml ─ Config ─► which windows are compared
//! ```
//!
//! The crate is pure: bytes and times come in, series go out. It fetches nothing, and does not know what time it is.
//! What teams have is read where it is: MLflow's `MLmodel` and `meta.yaml`, DVC's `metrics.json`, and `model.json` for
//! what these do not say.
//!
//! ```
//! use parapet_ml::{Column, Window, compare};
//! let window = |from: i32| Window::of(Column::Numbers((from..from + 500).map(f64::from).collect()));
//! let comparison = compare(&window(0), &window(200), 10)?;
//! assert!(comparison.psi > 0.25 && comparison.kolmogorov_smirnov.is_some_and(|test| test.p_value < 1e-6));
//! assert_eq!(comparison.out_of_range_ratio, Some(0.4));
//! # Ok::<(), parapet_ml::CompareError>(())
//! ```
//!
//! Contract: bytes of others never panic here knowingly and never take more memory than [`FileLimits`] says; the Parquet
//! decoder below is not ours, so a host catches its panics. The same input gives the same series in the same order.
#![warn(missing_docs)]

mod buckets;
mod collector;
mod compare;
mod config;
mod layout;
mod metrics;
mod mlflow;
mod pages;
mod record;
mod table_file;
mod window;

pub use buckets::{Bucket, Buckets};
pub use collector::Collector;
pub use compare::{CompareError, Comparison, compare};
pub use config::{Config, ConfigError, Current, DriftCheck, Reference, WindowSource};
pub use layout::{Layout, ModelFiles, ObjectInfo, VersionFiles};
pub use metrics::{DatasetMetrics, DriftMetrics, ModelMetrics, Reason, Snapshot};
pub use mlflow::{read_meta, read_mlmodel};
pub use record::{Evaluation, Training, VersionRecord, read_metrics, read_model};
pub use table_file::{ColumnKind, FileError, FileLimits, TableFile, TimeRange};
pub use window::{Categories, Column, Thinned, Window};
