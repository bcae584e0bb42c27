//! Pipelines for common formats, taken in by `- use: NAME`.

use super::{Pipeline, Pipelines};
use std::sync::LazyLock;

/// The file under `pipelines/`. A test reads it, so it has no faults here.
static SHIPPED: LazyLock<Pipelines> = LazyLock::new(|| {
    let text = include_str!("../../pipelines/shipped.yml");
    super::file::parse("shipped.yml", text).unwrap_or_default()
});

/// The shipped pipeline of this name.
pub(super) fn find(name: &str) -> Option<&'static Pipeline> {
    SHIPPED.pipelines.iter().find(|pipeline| pipeline.name == name)
}

impl Pipelines {
    /// The names of the shipped pipelines.
    pub fn shipped_names() -> impl Iterator<Item = &'static str> {
        SHIPPED.names()
    }

    /// One shipped pipeline, for every stream.
    #[must_use]
    pub fn shipped(name: &str) -> Option<Self> {
        let mut pipeline = find(name)?.clone();
        pipeline.paths.clear();
        Some(Self {
            pipelines: vec![pipeline],
            ..Self::default()
        })
    }
}
