//! What the benchmarks share.

pub mod peer;
pub mod process;
pub mod replay;
