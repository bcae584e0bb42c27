//! The scraper over ports in memory.
#![allow(clippy::unwrap_used)]

mod aws;
mod clients;
mod discovery;
mod dns;
mod faults;
mod histograms;
mod hostile;
mod known;
mod scrapes;
mod simulation;
mod slow;
mod staleness;
mod tasks;
mod tls;
mod world;
