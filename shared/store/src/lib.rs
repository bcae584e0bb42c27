//! The store of samples: manifest, write path, read path and compaction, over the ports.
//!
//! ```text
//! outbox::send_samples ─► [samples queue] ─► envelope::open ─► Writer::commit ─► files + manifest
//!                                                     Compaction ─► fewer, larger files
//!                                                     Reader::select ◄─ manifest ─► files
//! ```
//!
//! - [`outbox`] turns batches into messages, with a claim check in the bucket for what is too large; [`envelope`]
//!   reads them. [`Readings`] name their series by a [`Layout`] in the bucket, and bring numbers only.
//! - [`alerts`] does the same for alerts on their way to the notifier.
//! - [`Writer`] commits batches: a Parquet file per tenant and day, one transaction for files and batch marks.
//! - [`Reader`] answers matchers and a time range, from caches where it can.
//! - [`Compaction`] merges, retains, deletes, and publishes for Athena.
//! - [`logs`] has the same for log lines.
//! - [`keys`] has every key family of the table; [`configuration`] the user's configuration in the bucket.
//!
//! It is not the file format (`parapet_segment`) and evaluates no PromQL.
//!
//! ```
//! use parapet_model::{BatchSeries, Labels, Matcher, MetricType, Sample, SampleBatch};
//! use parapet_ports::{ConfigFiles, memory::MemoryPorts};
//! use parapet_store::{Reader, ReaderSettings, Writer, WriterSettings};
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let now_ms = 1_795_262_400_000;
//! let world = MemoryPorts::new(now_ms, ConfigFiles::default());
//! let up = BatchSeries {
//!     labels: Labels::from_pairs([("__name__", "up"), ("job", "node")]),
//!     kind: MetricType::Gauge,
//!     samples: vec![Sample::float(now_ms, 1.0)],
//!     exemplars: Vec::new(),
//! };
//! let batch = SampleBatch { id: "scrape-1".into(), tenant: "default".into(), series: vec![up] };
//! let writer = Writer::new(&world.ports, WriterSettings::default());
//! writer.commit(vec![batch.clone()]).await;
//! writer.commit(vec![batch]).await; // at least once in, exactly once stored
//!
//! let reader = Reader::new(&world.ports, ReaderSettings::default());
//! let series = reader.select("default", &[Matcher::equal("__name__", "up")], now_ms - 60_000, now_ms).await?;
//! assert_eq!(series[0].values, [1.0]);
//! # Ok::<(), parapet_ports::Error>(()) }).unwrap();
//! ```
//!
//! Contract: a batch is visible whole or not at all, and once, however often it is sent; an answer does not depend on
//! what compaction has done so far; any call may be cut off between any two of its effects. Needs a Tokio runtime:
//! encoding and decoding run on its blocking threads.
#![warn(missing_docs)]

pub mod alerts;
mod batch;
mod commit;
mod compaction;
pub mod configuration;
mod dataset;
pub mod day;
pub mod envelope;
pub mod keys;
mod limits;
pub mod logs;
pub mod manifest;
mod objects;
pub mod outbox;
mod reader;
mod readings;
mod rollups;
pub mod tenant;
mod writer;

pub use batch::{Batch, Samples};
pub use compaction::{Compaction, CompactionReport, CompactionSettings, RetentionRule};
pub use dataset::Dataset;
pub use limits::{Limits, Refusal, Refusals};
pub use reader::{LevelStatus, Reader, ReaderSettings, Status, SummedUp};
pub use readings::{Layout, LayoutSeries, Layouts, Readings, Times};
pub use rollups::Resolution;
pub use writer::{CommitReport, FailedBatch, Writer, WriterSettings};

/// Runs work that keeps a core busy off the threads that wait for input and output.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, parapet_ports::Error> + Send + 'static,
) -> Result<T, parapet_ports::Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => {
            Err(parapet_ports::Error::new(parapet_ports::Kind::Internal, "a worker thread failed").with_source(error))
        }
    }
}
