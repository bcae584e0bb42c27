//! The notifier on ports in memory: what receivers see, and what survives a death between any two effects.
#![allow(clippy::unwrap_used, clippy::print_stdout, unreachable_pub)]

mod acceptance;
mod crashes;
mod extras;
mod pages;
mod secrets;
mod stored;
mod vendors;
mod world;
