//! The columns of version 2, in one place. Columns are only ever added.

use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use std::sync::{Arc, LazyLock};

/// Key of the file's metadata that holds [`VERSION`].
pub const VERSION_KEY: &str = "parapet.logs.version";

/// The version that is written.
pub const VERSION: &str = "2";

/// Key of the file's metadata that holds what is in which block: [`crate::summary::Summary`].
pub(crate) const SUMMARY_KEY: &str = "parapet.logs.blocks";

pub(crate) const TIMESTAMP: &str = "timestamp";
/// Nanoseconds beyond the milliseconds of `timestamp`.
pub(crate) const NANOSECONDS: &str = "nanoseconds";
pub(crate) const LEVEL: &str = "level";
pub(crate) const SERVICE: &str = "service";
pub(crate) const HOST: &str = "host";
pub(crate) const TRACE_ID: &str = "trace_id";
pub(crate) const ROUTE: &str = "route";
pub(crate) const MESSAGE: &str = "message";
pub(crate) const STREAM: &str = "stream";
/// The names of the fields that have a column, in the order of the columns, with [`NAME_END`] between them.
pub(crate) const FIELDS: &str = "fields";
/// What parts the names in `fields`.
pub(crate) const NAME_END: char = '\u{1f}';
/// The columns of fields.
pub(crate) static FIELD_COLUMNS: LazyLock<Vec<String>> =
    LazyLock::new(|| (0..24).map(|number| format!("field_{number:02}")).collect());
/// Fields that have no column.
pub(crate) const ATTRIBUTES: &str = "attributes";
/// The line without its fields: [`parapet_logs::shape`]. Null where `raw` is the line.
pub(crate) const SHAPE: &str = "shape";
pub(crate) const VARIABLES: &str = "variables";
/// Lines that have no shape, byte for byte.
pub(crate) const RAW: &str = "raw";

/// Milliseconds, UTC: Trino and Spark read it as a point in time.
pub(crate) fn timestamp_type() -> DataType {
    DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()))
}

/// Columns of few words, which are told apart row by row.
pub(crate) const WORDS: [&str; 3] = [LEVEL, SERVICE, HOST];

/// As what these are read: numbers of words.
pub(crate) fn word_type() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

pub(crate) fn entry_fields() -> Fields {
    Fields::from(vec![
        Field::new("key", DataType::Utf8, false),
        Field::new("value", DataType::Utf8, false),
    ])
}

pub(crate) fn entries() -> Arc<Field> {
    Arc::new(Field::new("key_value", DataType::Struct(entry_fields()), false))
}

pub(crate) fn element() -> Arc<Field> {
    Arc::new(Field::new("element", DataType::Utf8, false))
}

/// The schema of version 2.
pub(crate) static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    let map = |name: &str| Field::new(name, DataType::Map(entries(), false), false);
    let mut columns = vec![
        Field::new(TIMESTAMP, timestamp_type(), false),
        Field::new(NANOSECONDS, DataType::Int32, false),
        text(LEVEL),
        text(SERVICE),
        text(HOST),
        text(TRACE_ID),
        text(ROUTE),
        text(MESSAGE),
        map(STREAM),
        text(FIELDS),
    ];
    columns.extend(FIELD_COLUMNS.iter().map(|name| text(name)));
    columns.extend([
        map(ATTRIBUTES),
        text(SHAPE),
        Field::new(VARIABLES, DataType::List(element()), false),
        Field::new(RAW, DataType::Binary, true),
    ]);
    Arc::new(Schema::new(columns))
});
