//! The store over memory ports.
#![allow(clippy::unwrap_used)]

mod bits;
mod world;
mod write_and_read;
