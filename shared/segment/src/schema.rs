//! The columns of version 1, in one place. Columns are only ever added.

use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use std::sync::{Arc, LazyLock};

/// Key of the file's metadata that holds [`VERSION`].
pub const VERSION_KEY: &str = "parapet.segment.version";

/// The version that is written.
pub const VERSION: &str = "1";

pub(crate) const METRIC: &str = "metric";
pub(crate) const LABELS: &str = "labels";
pub(crate) const SERIES_ID: &str = "series_id";
pub(crate) const TYPE: &str = "type";
pub(crate) const MIN_TS: &str = "min_ts";
pub(crate) const MAX_TS: &str = "max_ts";
pub(crate) const SAMPLES: &str = "samples";
pub(crate) const STALE_SAMPLES: &str = "stale_samples";
pub(crate) const TIMESTAMPS: &str = "timestamps";
pub(crate) const VALUES: &str = "values";
pub(crate) const ROLLUPS: [&str; 8] = [
    "first_value",
    "last_value",
    "min_value",
    "max_value",
    "sum_value",
    "increase",
    "resets",
    "changes",
];
pub(crate) const HISTOGRAMS: &str = "histograms";
/// Added later: files without it have no exemplars.
pub(crate) const EXEMPLARS: &str = "exemplars";

/// Milliseconds, UTC: Trino and Spark read it as a point in time.
pub(crate) fn timestamp_type() -> DataType {
    DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()))
}

/// Lists have their element under the name that the Parquet specification gives it.
pub(crate) fn element(data_type: DataType) -> Arc<Field> {
    Arc::new(Field::new("element", data_type, false))
}

pub(crate) fn label_entry_fields() -> Fields {
    Fields::from(vec![
        Field::new("key", DataType::Utf8, false),
        Field::new("value", DataType::Utf8, false),
    ])
}

pub(crate) fn label_entries() -> Arc<Field> {
    Arc::new(Field::new("key_value", DataType::Struct(label_entry_fields()), false))
}

pub(crate) fn span_fields() -> Fields {
    Fields::from(vec![
        Field::new("offset", DataType::Int32, false),
        Field::new("length", DataType::Int32, false),
    ])
}

pub(crate) fn histogram_fields() -> Fields {
    let list = |name: &str, item: DataType| Field::new(name, DataType::List(element(item)), false);
    let spans = || DataType::Struct(span_fields());
    Fields::from(vec![
        Field::new("counter_reset", DataType::Int32, false),
        Field::new("schema", DataType::Int32, false),
        Field::new("zero_threshold", DataType::Float64, false),
        Field::new("zero_count", DataType::Float64, false),
        Field::new("count", DataType::Float64, false),
        Field::new("sum", DataType::Float64, false),
        list("positive_spans", spans()),
        list("positive_buckets", DataType::Float64),
        list("negative_spans", spans()),
        list("negative_buckets", DataType::Float64),
        list("custom_values", DataType::Float64),
    ])
}

pub(crate) fn exemplar_fields() -> Fields {
    Fields::from(vec![
        Field::new("ts", timestamp_type(), false),
        Field::new("has_ts", DataType::Boolean, false),
        Field::new("value", DataType::Float64, false),
        Field::new("labels", DataType::Map(label_entries(), false), false),
    ])
}

/// The schema of version 1.
pub(crate) static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let mut fields = vec![
        Field::new(METRIC, DataType::Utf8, false),
        Field::new(LABELS, DataType::Map(label_entries(), false), false),
        Field::new(SERIES_ID, DataType::Int64, false),
        Field::new(TYPE, DataType::Utf8, false),
        Field::new(MIN_TS, timestamp_type(), false),
        Field::new(MAX_TS, timestamp_type(), false),
        Field::new(SAMPLES, DataType::Int32, false),
        Field::new(STALE_SAMPLES, DataType::Int32, false),
        Field::new(TIMESTAMPS, DataType::List(element(timestamp_type())), false),
        Field::new(VALUES, DataType::List(element(DataType::Float64)), true),
    ];
    fields.extend(ROLLUPS.map(|name| Field::new(name, DataType::Float64, true)));
    fields.push(Field::new(
        HISTOGRAMS,
        DataType::List(element(DataType::Struct(histogram_fields()))),
        true,
    ));
    fields.push(Field::new(
        EXEMPLARS,
        DataType::List(element(DataType::Struct(exemplar_fields()))),
        true,
    ));
    Arc::new(Schema::new(fields))
});
