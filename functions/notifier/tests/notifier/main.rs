//! The notifier on ports in memory: what receivers see, and what survives a death between any two effects.
#![allow(clippy::unwrap_used, clippy::print_stdout, unreachable_pub)]

mod acceptance;
mod chaos;
mod crashes;
mod extras;
mod failures;
mod ledger;
mod life;
mod pages;
mod replay;
mod secrets;
mod simulation;
mod stored;
mod storm;
mod vendors;
mod world;
