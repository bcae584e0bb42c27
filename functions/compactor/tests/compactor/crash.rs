//! Samples through the history of [`crate::history`].

use crate::death::Event;
use crate::history::{Data, Found, Step, each_effect, other_batch};
use arrow_array::cast::AsArray as _;
use arrow_array::types::TimestampMillisecondType;
use bytes::Bytes;
use parapet_model::{BatchSeries, Labels, MetricType, Sample, SampleBatch};
use parapet_ports::Ports;
use parapet_store::{Dataset, Reader, ReaderSettings, Writer, WriterSettings};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

#[derive(Debug)]
pub(crate) struct Samples;

impl Data for Samples {
    const DATASET: Dataset = Dataset::Metrics;

    type Batch = SampleBatch;

    fn batch(id: &str, metrics: &[&str], times: &[i64]) -> SampleBatch {
        let series = metrics.iter().map(|metric| BatchSeries {
            labels: Labels::from_pairs([("__name__", *metric), ("job", "j")]),
            kind: MetricType::Counter,
            samples: times.iter().map(|at| Sample::float(*at, 1.0)).collect(),
            exemplars: Vec::new(),
        });
        SampleBatch {
            id: id.to_owned(),
            tenant: "default".to_owned(),
            series: series.collect(),
        }
    }

    fn found(batch: &SampleBatch) -> Found {
        let series = batch.series.iter();
        series
            .flat_map(|series| {
                let name = series.labels.metric_name().unwrap_or_default();
                series
                    .samples
                    .iter()
                    .map(move |sample| (name.to_owned(), sample.timestamp_ms))
            })
            .collect()
    }

    async fn commit(ports: &Ports, batches: Vec<SampleBatch>) -> bool {
        let report = Writer::new(ports, WriterSettings::default()).commit(batches).await;
        report.failed.is_empty()
    }

    fn read(file: Bytes) -> Vec<(String, i64)> {
        let mut samples = Vec::new();
        for rows in ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap() {
            let rows = rows.unwrap();
            let metrics = rows.column_by_name("metric").unwrap().as_string::<i32>().clone();
            let lists = rows.column_by_name("timestamps").unwrap().as_list::<i32>().clone();
            for (metric, times) in metrics.iter().zip(lists.iter()) {
                let times = times.unwrap();
                let times = times.as_primitive::<TimestampMillisecondType>().values();
                samples.extend(times.iter().map(|at| (metric.unwrap().to_owned(), *at)));
            }
        }
        samples
    }

    async fn answer(ports: &Ports) -> Vec<(String, i64)> {
        let reader = Reader::new(ports, ReaderSettings::default());
        let mut found = Vec::new();
        for series in reader.select("default", &[], 0, i64::MAX).await.unwrap() {
            let name = series.labels.metric_name().unwrap_or_default().to_owned();
            found.extend(series.timestamps.iter().map(|at| (name.clone(), *at)));
        }
        found
    }
}

#[tokio::test]
async fn a_process_dies_before_each_effect() {
    each_effect::<Samples>(Event::DiesBefore, |_| None).await;
}

#[tokio::test]
async fn a_process_dies_after_each_effect() {
    each_effect::<Samples>(Event::DiesAfter, |_| None).await;
}

#[tokio::test]
async fn two_do_the_same_at_once() {
    each_effect::<Samples>(Event::IsOvertaken, |step| Some(step.clone())).await;
}

#[tokio::test]
async fn the_compactor_overtakes() {
    each_effect::<Samples>(Event::IsOvertaken, |_| Some(Step::Tick)).await;
}

#[tokio::test]
async fn a_writer_overtakes() {
    each_effect::<Samples>(Event::IsOvertaken, |_| Some(other_batch::<Samples>())).await;
}
