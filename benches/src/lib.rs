//! What the benchmarks share.

pub mod host;
pub mod peer;
pub mod process;
pub mod replay;
