//! A bucket, a store, and a clock that is driven.

use arrow_array::{ArrayRef, BooleanArray, Float64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use futures::TryStreamExt as _;
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use parapet_ingest::Ingest;
use parapet_ml_exporter::{MlExporter, Settings};
use parapet_model::{BatchSeries, Labels, Matcher, SampleBatch, is_stale_nan};
use parapet_ports::memory::MemoryPorts;
use parapet_ports::{ConfigFiles, Disposition, Error, FixedConfig, Ports, Queue, QueueReader as _, SourceFile};
use parapet_store::{Reader, ReaderSettings, outbox};
use parquet::arrow::ArrowWriter;
use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) const MINUTE_MS: i64 = 60_000;

pub(crate) struct World {
    pub(crate) memory: MemoryPorts,
    pub(crate) ports: Ports,
    pub(crate) settings: Settings,
    pub(crate) reader: Arc<Reader>,
}

impl World {
    pub(crate) fn new(ml: &str) -> Self {
        let memory = MemoryPorts::new(0, ConfigFiles::default());
        let mut world = Self {
            reader: Arc::new(Reader::new(&memory.ports, ReaderSettings::default())),
            ports: memory.ports.clone(),
            memory,
            settings: Settings::default(),
        };
        world.configure(ml);
        world
    }

    pub(crate) fn configure(&mut self, ml: &str) {
        let file = SourceFile {
            path: "ml.yml".to_owned(),
            text: ml.to_owned(),
        };
        let files = ConfigFiles {
            ml: Some(file),
            ..ConfigFiles::default()
        };
        self.ports.config = Arc::new(FixedConfig(Arc::new(files)));
    }

    /// A process that has just started.
    pub(crate) fn exporter(&self) -> MlExporter {
        MlExporter::new(self.ports.clone(), self.reader.clone(), self.settings.clone())
    }

    pub(crate) async fn put(&self, path: &str, bytes: impl Into<bytes::Bytes>) {
        self.ports
            .objects
            .put(&Path::from(path), bytes.into().into())
            .await
            .unwrap();
    }

    pub(crate) async fn remove(&self, path: &str) {
        self.ports.objects.delete(&Path::from(path)).await.unwrap();
    }

    /// A full minute after everything in the bucket was written, which is by the bucket's own clock, and settled.
    pub(crate) async fn settled_ms(&self) -> i64 {
        let metas: Vec<object_store::ObjectMeta> = self.ports.objects.list(None).try_collect().await.unwrap();
        let written = metas
            .iter()
            .map(|meta| meta.last_modified.timestamp_millis())
            .max()
            .unwrap_or(0);
        (written.div_euclid(MINUTE_MS) + 2) * MINUTE_MS
    }

    pub(crate) fn set_clock(&self, now_ms: i64) {
        self.memory.clock.set_ms(now_ms);
    }

    /// Ticks, and stores what was sent.
    pub(crate) async fn tick(&self, exporter: &MlExporter, at_ms: i64) -> Result<(), Error> {
        self.set_clock(at_ms);
        exporter.handle_tick(at_ms).await?;
        self.ingest().await;
        Ok(())
    }

    pub(crate) async fn ingest(&self) {
        let ingest = Ingest::new(&self.memory.ports, parapet_ingest::Settings::default());
        loop {
            let received = self.memory.queues.receive(Queue::Samples, 10, 0).await.unwrap();
            if received.is_empty() {
                return;
            }
            let messages = received.iter().map(|received| received.message.clone()).collect();
            let answers = ingest.handle_batch(messages).await;
            assert!(answers.iter().all(|answer| *answer == Disposition::Done), "{answers:?}");
            let receipts = received.into_iter().map(|received| received.receipt).collect();
            self.memory.queues.delete(Queue::Samples, receipts).await.unwrap();
        }
    }

    pub(crate) async fn store(&self, id: &str, series: Vec<BatchSeries>) {
        let batch = SampleBatch {
            id: id.to_owned(),
            tenant: "default".to_owned(),
            series,
        };
        outbox::send_samples(&self.ports, vec![batch]).await.unwrap();
        self.ingest().await;
    }

    /// The exporter's series with a sample at a time: labels without `job`, and values; `None` for a marker.
    pub(crate) async fn at(&self, at_ms: i64) -> BTreeMap<String, Option<f64>> {
        let ours = [Matcher::equal("job", "ml-exporter")];
        let stored = self.reader.select("default", &ours, at_ms, at_ms).await.unwrap();
        let shown = stored.into_iter().map(|series| {
            assert_eq!(series.values.len(), 1);
            let value = series.values[0];
            let labels = series.labels.without(|name| name == "job").to_string();
            (labels, (!is_stale_nan(value)).then_some(value))
        });
        shown.collect()
    }
}

pub(crate) fn series_of(name: &str, labels: &[(&str, &str)]) -> Labels {
    Labels::from_pairs([("__name__", name)].iter().chain(labels).copied())
}

/// Columns of a table by name.
pub(crate) struct Columns(Vec<(&'static str, ArrayRef)>);

impl Columns {
    pub(crate) fn new() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn numbers(mut self, name: &'static str, values: &[Option<f64>]) -> Self {
        self.0.push((name, Arc::new(Float64Array::from(values.to_vec()))));
        self
    }

    pub(crate) fn texts(mut self, name: &'static str, values: &[&str]) -> Self {
        self.0.push((name, Arc::new(StringArray::from(values.to_vec()))));
        self
    }

    pub(crate) fn flags(mut self, name: &'static str, values: &[bool]) -> Self {
        self.0.push((name, Arc::new(BooleanArray::from(values.to_vec()))));
        self
    }

    pub(crate) fn times(mut self, name: &'static str, values: &[i64]) -> Self {
        self.0
            .push((name, Arc::new(TimestampMillisecondArray::from(values.to_vec()))));
        self
    }

    /// As a Parquet file with row groups of 100 rows.
    pub(crate) fn parquet(self) -> Vec<u8> {
        let batch =
            RecordBatch::try_from_iter_with_nullable(self.0.into_iter().map(|(name, array)| (name, array, true)));
        let batch = batch.unwrap();
        let properties = parquet::file::properties::WriterProperties::builder()
            .set_max_row_group_row_count(Some(100))
            .build();
        let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.into_inner().unwrap()
    }
}

/// Numbers that look random and are the same each time.
pub(crate) fn window(seed: u64, size: usize, factor: f64, offset: f64) -> Vec<f64> {
    let mut state = seed;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f64 / (1u64 << 31) as f64 * factor + offset
    };
    (0..size).map(|_| next()).collect()
}

pub(crate) fn some(values: &[f64]) -> Vec<Option<f64>> {
    values.iter().copied().map(Some).collect()
}
