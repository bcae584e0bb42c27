//! Formats of single lines: JSON, logfmt, CSV.

pub(crate) mod csv;
pub(crate) mod found;
pub(crate) mod json;
pub(crate) mod logfmt;
pub(crate) mod skeleton;
