//! The function on ports in memory: deaths, repeats, lateness, and what the slots of a group see.
#![allow(clippy::unwrap_used)]

mod crashes;
mod logs;
mod slots;
mod world;
