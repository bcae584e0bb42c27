//! The store over memory ports.
#![allow(clippy::unwrap_used)]

mod bits;
mod readings;
mod rollups;
mod world;
mod write_and_read;
