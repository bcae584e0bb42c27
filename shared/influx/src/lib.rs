//! InfluxDB's line protocol.
//!
//! [`lines`] goes through a body line by line, [`Line::samples`] makes samples of one: each field is a series
//! `<measurement>_<field>`, its labels are the tags, as VictoriaMetrics and Telegraf have it. It is no HTTP handler.
//!
//! ```
//! use parapet_influx::{Precision, lines};
//! let line = lines(b"cpu,host=a usage=0.5,count=3i 1700000000000000000").next().unwrap().unwrap();
//! let samples = line.samples(Precision::Nanoseconds, 0, None).unwrap();
//! assert_eq!(samples[0].labels.to_string(), r#"cpu_usage{host="a"}"#);
//! assert_eq!((samples[1].value, samples[1].timestamp_ms), (3.0, 1_700_000_000_000));
//! ```
//!
//! Contract: nothing panics on any bytes; a line with a fault is refused alone, with its number; what is allocated is
//! bounded by the line.
#![warn(missing_docs)]

mod line;
mod precision;
mod sample;

pub use line::{Field, Line, LineFault, MAX_TAGS, lines};
pub use precision::Precision;
pub use sample::InfluxSample;
