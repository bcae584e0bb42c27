//! The scraper over ports in memory.
#![allow(clippy::unwrap_used)]

mod faults;
mod histograms;
mod scrapes;
mod simulation;
mod staleness;
mod tasks;
mod world;
