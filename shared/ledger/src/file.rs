//! Rows as a Parquet file.

use crate::{Event, Row};
use arrow_array::builder::{MapBuilder, MapFieldNames, StringBuilder};
use arrow_array::cast::AsArray as _;
use arrow_array::types::{Int32Type, TimestampMillisecondType};
use arrow_array::{Array as _, ArrayRef, Int32Array, MapArray, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use bytes::Bytes;
use parapet_model::Labels;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{WriterProperties, WriterVersion};
use std::sync::{Arc, LazyLock};

/// The version of the files that are written: `parapet.ledger.version` of their metadata.
pub const VERSION: &str = "1";

/// Rows of one row group, at most.
const ROW_GROUP_ROWS: usize = 64 * 1024;

/// A file that cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The Parquet bytes do not read, or cannot be written.
    #[error("parquet file of the ledger does not read or write")]
    Parquet(#[from] parquet::errors::ParquetError),
    /// Arrow arrays do not fit together.
    #[error("columns of the ledger do not fit together")]
    Arrow(#[from] arrow_schema::ArrowError),
    /// The file is Parquet but not of the ledger's form.
    #[error("not a file of the ledger: {0}")]
    Form(String),
}

fn timestamp_type() -> DataType {
    DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()))
}

fn map_type() -> DataType {
    let entries = Fields::from(vec![
        Field::new("key", DataType::Utf8, false),
        Field::new("value", DataType::Utf8, false),
    ]);
    DataType::Map(
        Arc::new(Field::new("key_value", DataType::Struct(entries), false)),
        false,
    )
}

/// Columns are only ever added.
static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let text = |name: &str| Field::new(name, DataType::Utf8, false);
    Arc::new(Schema::new(vec![
        text("id"),
        Field::new("ts", timestamp_type(), false),
        text("event"),
        text("alertname"),
        text("fingerprint"),
        Field::new("labels", map_type(), false),
        Field::new("starts_at", timestamp_type(), false),
        Field::new("ended_at", timestamp_type(), true),
        text("receiver"),
        text("integration"),
        text("route"),
        text("group_key"),
        Field::new("group_labels", map_type(), false),
        text("reason"),
        text("cause"),
        text("detail"),
        text("delivery"),
        Field::new("attempt", DataType::Int32, true),
        Field::new("next_at", timestamp_type(), true),
    ]))
});

/// Writes rows, in the order of alert and time. The same rows, in any order, give the same bytes.
///
/// # Errors
/// [`Error`] where Parquet cannot be written.
pub fn encode(mut rows: Vec<Row>) -> Result<Bytes, Error> {
    rows.sort_by(|a, b| {
        let key = |row: &Row| (row.at_ms, row.event);
        (&a.alertname, &a.fingerprint, key(a), &a.id).cmp(&(&b.alertname, &b.fingerprint, key(b), &b.id))
    });
    let text = |get: fn(&Row) -> &str| -> ArrayRef { Arc::new(StringArray::from_iter_values(rows.iter().map(get))) };
    let time = |get: fn(&Row) -> Option<i64>| -> ArrayRef {
        let times: TimestampMillisecondArray = rows.iter().map(get).collect();
        Arc::new(times.with_timezone("UTC"))
    };
    let attempts: Int32Array = rows
        .iter()
        .map(|row| row.attempt.map(|attempt| i32::try_from(attempt).unwrap_or(i32::MAX)))
        .collect();
    let columns: Vec<ArrayRef> = vec![
        text(|row| &row.id),
        time(|row| Some(row.at_ms)),
        text(|row| row.event.as_str()),
        text(|row| &row.alertname),
        text(|row| &row.fingerprint),
        maps(rows.iter().map(|row| &row.labels))?,
        time(|row| Some(row.starts_at_ms)),
        time(|row| row.ended_at_ms),
        text(|row| &row.receiver),
        text(|row| &row.integration),
        text(|row| &row.route),
        text(|row| &row.group_key),
        maps(rows.iter().map(|row| &row.group_labels))?,
        text(|row| &row.reason),
        text(|row| &row.cause),
        text(|row| &row.detail),
        text(|row| &row.delivery),
        Arc::new(attempts),
        time(|row| row.next_at_ms),
    ];
    let batch = RecordBatch::try_new(SCHEMA.clone(), columns)?;
    let properties = WriterProperties::builder()
        // Version 1 data pages, dictionaries or plain values: every reader of the field has them.
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_created_by(concat!("parapet-ledger version ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_key_value_metadata(Some(vec![KeyValue::new(
            "parapet.ledger.version".to_owned(),
            VERSION.to_owned(),
        )]))
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), SCHEMA.clone(), Some(properties))?;
    writer.write(&batch)?;
    Ok(writer.into_inner()?.into())
}

fn maps<'a>(all: impl Iterator<Item = &'a Labels>) -> Result<ArrayRef, Error> {
    let names = MapFieldNames {
        entry: "key_value".to_owned(),
        key: "key".to_owned(),
        value: "value".to_owned(),
    };
    let mut builder = MapBuilder::new(Some(names), StringBuilder::new(), StringBuilder::new())
        .with_values_field(Field::new("value", DataType::Utf8, false));
    for labels in all {
        for (name, value) in labels {
            builder.keys().append_value(name);
            builder.values().append_value(value);
        }
        builder.append(true)?;
    }
    Ok(Arc::new(builder.finish()))
}

/// Reads the rows of a file.
///
/// # Errors
/// [`Error`] for bytes that are no Parquet or not of the ledger's form.
pub fn decode(bytes: Bytes) -> Result<Vec<Row>, Error> {
    // Some of the `parquet` crate's readers panic on columns that contradict each other.
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| read(bytes)))
        .unwrap_or_else(|_| Err(Error::Form("its columns contradict each other".to_owned())))
}

fn read(bytes: Bytes) -> Result<Vec<Row>, Error> {
    let mut rows = Vec::new();
    for batch in ParquetRecordBatchReaderBuilder::try_new(bytes)?.build()? {
        let batch = batch?;
        let columns = Columns::of(&batch)?;
        for at in 0..batch.num_rows() {
            rows.push(columns.row(at)?);
        }
    }
    Ok(rows)
}

struct Columns<'a> {
    batch: &'a RecordBatch,
    labels: &'a MapArray,
    group_labels: &'a MapArray,
}

impl<'a> Columns<'a> {
    fn of(batch: &'a RecordBatch) -> Result<Self, Error> {
        let map = |name: &str| column(batch, name)?.as_map_opt().ok_or_else(|| wrong(name));
        Ok(Self {
            batch,
            labels: map("labels")?,
            group_labels: map("group_labels")?,
        })
    }

    fn text(&self, name: &str, at: usize) -> Result<String, Error> {
        let strings = column(self.batch, name)?
            .as_string_opt::<i32>()
            .ok_or_else(|| wrong(name))?;
        Ok(strings.value(at).to_owned())
    }

    fn time(&self, name: &str, at: usize) -> Result<Option<i64>, Error> {
        let times = column(self.batch, name)?.as_primitive_opt::<TimestampMillisecondType>();
        let times = times.ok_or_else(|| wrong(name))?;
        Ok(times.is_valid(at).then(|| times.value(at)))
    }

    fn row(&self, at: usize) -> Result<Row, Error> {
        let event = self.text("event", at)?;
        let attempts = column(self.batch, "attempt")?.as_primitive_opt::<Int32Type>();
        let attempts = attempts.ok_or_else(|| wrong("attempt"))?;
        Ok(Row {
            id: self.text("id", at)?,
            at_ms: self.time("ts", at)?.unwrap_or_default(),
            event: Event::parse(&event).ok_or_else(|| Error::Form(format!("{event:?} is no event")))?,
            alertname: self.text("alertname", at)?,
            fingerprint: self.text("fingerprint", at)?,
            labels: labels(self.labels, at)?,
            starts_at_ms: self.time("starts_at", at)?.unwrap_or_default(),
            ended_at_ms: self.time("ended_at", at)?,
            receiver: self.text("receiver", at)?,
            integration: self.text("integration", at)?,
            route: self.text("route", at)?,
            group_key: self.text("group_key", at)?,
            group_labels: labels(self.group_labels, at)?,
            reason: self.text("reason", at)?,
            cause: self.text("cause", at)?,
            detail: self.text("detail", at)?,
            delivery: self.text("delivery", at)?,
            attempt: attempts.is_valid(at).then(|| attempts.value(at).unsigned_abs()),
            next_at_ms: self.time("next_at", at)?,
        })
    }
}

fn column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef, Error> {
    batch
        .column_by_name(name)
        .ok_or_else(|| Error::Form(format!("it has no column {name}")))
}

fn wrong(name: &str) -> Error {
    Error::Form(format!("column {name} is of another type"))
}

fn labels(maps: &MapArray, at: usize) -> Result<Labels, Error> {
    let entries = maps.value(at);
    let text = |column: usize| {
        entries
            .column(column)
            .as_string_opt::<i32>()
            .ok_or_else(|| wrong("labels"))
    };
    let (names, values) = (text(0)?, text(1)?);
    let pairs = names
        .iter()
        .zip(values)
        .map(|(name, value)| (name.unwrap_or_default(), value.unwrap_or_default()));
    Ok(Labels::from_pairs(pairs))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Entry, EntryAlert};

    fn rows() -> Vec<Row> {
        let alert = |name: &str, ended_at_ms| EntryAlert {
            fingerprint: format!("{name:0>16}"),
            labels: Labels::from_pairs([("alertname", name), ("instance", "a:1")]),
            starts_at_ms: 1_000,
            ended_at_ms,
        };
        let grouped = Entry {
            at_ms: 2_000,
            receiver: "ops".to_owned(),
            route: "{}".to_owned(),
            group_key: "{}:{}".to_owned(),
            alerts: vec![alert("b", None), alert("a", Some(1_500))],
            ..Entry::default()
        };
        let failed = Entry {
            at_ms: 3_000,
            event: Event::Failed,
            integration: "webhook/0".to_owned(),
            group_labels: Labels::from_pairs([("job", "x")]),
            attempt: Some(2),
            next_at_ms: Some(4_000),
            ..grouped.clone()
        };
        [grouped.rows(), failed.rows()].concat()
    }

    #[test]
    fn files_read_as_they_were_written_whatever_the_order() {
        let (forward, mut backward) = (rows(), rows());
        backward.reverse();
        let bytes = encode(forward.clone()).unwrap();
        assert_eq!(bytes, encode(backward).unwrap());
        let read = decode(bytes).unwrap();
        assert_eq!(
            read.iter().map(|row| row.alertname.as_str()).collect::<Vec<_>>(),
            ["a", "a", "b", "b"]
        );
        for row in forward {
            assert!(read.contains(&row), "{row:?}");
        }
        assert!(decode(encode(Vec::new()).unwrap()).unwrap().is_empty());
    }

    #[test]
    fn ids_tell_decisions_apart() {
        let mut ids: Vec<String> = rows().into_iter().map(|row| row.id).collect();
        assert_eq!(ids[0], rows()[0].id);
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 4);
    }

    #[test]
    fn athena_knows_every_column() {
        let template = include_str!("../../../template.yaml");
        let (_, table) = template.split_once("  GlueLedgerTable:\n").unwrap();
        let (_, columns) = table.split_once("          Columns:\n").unwrap();
        let columns: Vec<&str> = columns
            .lines()
            .take_while(|line| line.starts_with("            - "))
            .collect();
        assert_eq!(columns.len(), SCHEMA.fields().len());
        for (line, field) in columns.iter().zip(SCHEMA.fields()) {
            let kind = match field.data_type() {
                DataType::Utf8 => "string",
                DataType::Int32 => "int",
                DataType::Map(..) => "\"map<string,string>\"",
                _ => "timestamp",
            };
            let want = format!("- {{Name: {}, Type: {kind}", field.name());
            assert!(line.trim().starts_with(&want), "{line} is not {want}");
        }
    }

    #[test]
    fn what_is_no_file_is_refused() {
        assert!(matches!(decode(Bytes::from_static(b"nothing")), Err(Error::Parquet(_))));
    }

    #[test]
    fn json_has_the_names_of_the_columns() {
        let row = &rows()[2];
        let json = serde_json::to_value(row).unwrap();
        for field in SCHEMA.fields() {
            assert!(json.get(field.name()).is_some(), "{}", field.name());
        }
        assert_eq!(json["ts"], "1970-01-01T00:00:03.000Z");
        assert_eq!(serde_json::from_value::<Row>(json).unwrap(), *row);
    }
}
