//! The log-parse function over memory ports: every byte of every line, each batch once, whatever happens between.
#![allow(clippy::unwrap_used)]

#[path = "../../../../shared/store/tests/store/death.rs"]
mod death;

mod conformance;
mod crashes;
mod days;
mod objects;
mod pieces;
mod search;
mod sends;
mod world;
