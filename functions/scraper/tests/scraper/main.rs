//! The scraper over ports in memory.
#![allow(clippy::unwrap_used)]

mod clients;
mod discovery;
mod faults;
mod histograms;
mod hostile;
mod known;
mod scrapes;
mod simulation;
mod staleness;
mod tasks;
mod world;
