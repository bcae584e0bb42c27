//! The ml-exporter function: called once a minute, tells of models and of the drift of their features as series.
//!
//! ```text
//! registry in the bucket ─► versions, evaluations, training sets ─┐
//! ml.yml ─► windows: Parquet, stored histograms ─► drift ─────────┴─► series, markers ─► [samples]
//! ```
//!
//! - It keeps no state. What it sent before is in the store: series that are there and are not found any more get their
//!   staleness markers, once the store has what came last.
//! - A tick's samples are one batch, named from the tick: twice is once.
//! - Windows end a minute before the tick at a multiple of the check's `every`, and are compared once for that end by each
//!   process; what came of it is sent with every tick, so that no query has to look back further than it does.
//! - What does not read is logged, counted in `ml_exporter_errors`, and left out; the rest goes on. Only where the bucket
//!   or the store cannot be reached does the tick fail, to be tried again: then nothing ends by mistake.

mod drift;
mod handler;
mod parquet_window;
mod problems;
mod query_window;
mod registry;
mod settings;
mod stale;

pub use handler::{MlExporter, configuration};
pub use settings::Settings;
