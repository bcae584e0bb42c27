//! Lines through the history of [`crate::history`].

use crate::death::Event;
use crate::history::{Data, Found, Step, each_effect, other_batch};
use arrow_array::cast::AsArray as _;
use arrow_array::types::TimestampMillisecondType;
use bytes::Bytes;
use parapet_logs::LogRecord;
use parapet_model::Labels;
use parapet_ports::Ports;
use parapet_store::Dataset;
use parapet_store::logs::{LogQuery, LogReader, LogReaderSettings, LogWriter, LogWriterSettings, ParsedBatch};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::ops::ControlFlow;

#[derive(Debug)]
struct Lines;

/// A line and its time, milliseconds.
fn found(record: &LogRecord) -> (String, i64) {
    assert_eq!(
        record.raw,
        format!("{} says {}", record.service, record.timestamp_ns).as_bytes()
    );
    (record.service.to_string(), record.timestamp_ns / 1_000_000)
}

impl Data for Lines {
    const DATASET: Dataset = Dataset::Logs;

    type Batch = ParsedBatch;

    fn batch(id: &str, services: &[&str], times: &[i64]) -> ParsedBatch {
        let at = |at_ms: &i64| at_ms * 1_000_000;
        let records = services.iter().flat_map(|service| {
            times.iter().map(at).map(move |at_ns| LogRecord {
                timestamp_ns: at_ns,
                service: (*service).into(),
                raw: format!("{service} says {at_ns}").into_bytes().into(),
                stream: Labels::from_pairs([("app", *service)]),
                ..LogRecord::default()
            })
        });
        ParsedBatch {
            id: id.to_owned(),
            tenant: "default".to_owned(),
            records: records.collect(),
            observations: Vec::new(),
        }
    }

    fn found(batch: &ParsedBatch) -> Found {
        batch.records.iter().map(found).collect()
    }

    async fn commit(ports: &Ports, batches: Vec<ParsedBatch>) -> bool {
        let report = LogWriter::new(ports, LogWriterSettings::default())
            .commit(batches)
            .await;
        report.failed.is_empty()
    }

    fn read(file: Bytes) -> Vec<(String, i64)> {
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
        let mut lines = Vec::new();
        for rows in reader.build().unwrap() {
            let rows = rows.unwrap();
            let services = rows.column_by_name("service").unwrap().as_string::<i32>().clone();
            let times = rows.column_by_name("timestamp").unwrap();
            let times = times.as_primitive::<TimestampMillisecondType>().values();
            let services = services.iter().map(|service| service.unwrap().to_owned());
            lines.extend(services.zip(times.iter().copied()));
        }
        lines
    }

    async fn answer(ports: &Ports) -> Vec<(String, i64)> {
        let reader = LogReader::new(ports, LogReaderSettings::default());
        let everything = LogQuery {
            start_ns: i64::MIN,
            end_ns: i64::MAX,
            ..LogQuery::default()
        };
        let mut lines = Vec::new();
        let mut visit = |record: LogRecord| {
            lines.push(found(&record));
            ControlFlow::Continue(())
        };
        reader.search("default", &everything, &mut visit).await.unwrap();
        lines
    }
}

#[tokio::test]
async fn a_process_dies_before_each_effect() {
    each_effect::<Lines>(Event::DiesBefore, |_| None).await;
}

#[tokio::test]
async fn a_process_dies_after_each_effect() {
    each_effect::<Lines>(Event::DiesAfter, |_| None).await;
}

#[tokio::test]
async fn two_do_the_same_at_once() {
    each_effect::<Lines>(Event::IsOvertaken, |step| Some(step.clone())).await;
}

#[tokio::test]
async fn the_compactor_overtakes() {
    each_effect::<Lines>(Event::IsOvertaken, |_| Some(Step::Tick)).await;
}

#[tokio::test]
async fn a_writer_overtakes() {
    each_effect::<Lines>(Event::IsOvertaken, |_| Some(other_batch::<Lines>())).await;
}
