//! What receivers are sent, byte for byte.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod golden;
mod payloads;
mod vendors;
mod world;
