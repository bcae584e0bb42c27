//! The api function, driven through its router.
#![allow(clippy::unwrap_used, clippy::print_stdout)] // tests

mod acknowledgements;
mod body_memory;
mod conformance;
mod explain;
mod harness;
mod hostile;
mod influx;
mod load;
mod logs;
mod openapi;
mod otlp;
mod pushgateway;
mod remote_write;
mod router;
mod rules;
mod samples;
mod targets;
mod v2;
