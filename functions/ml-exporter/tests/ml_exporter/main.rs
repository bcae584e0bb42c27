//! The function on ports in memory: what it tells of registries and windows, and that telling twice is telling once.
#![allow(clippy::unwrap_used)]

mod drift;
mod faults;
mod registry;
mod world;
