//! The store over memory ports.
#![allow(clippy::unwrap_used)]

mod bits;
mod log_counts;
mod readings;
mod rollups;
mod world;
mod write_and_read;
