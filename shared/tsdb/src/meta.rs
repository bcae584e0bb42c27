//! `meta.json`: what a block is (`BlockMeta` of Prometheus).

use crate::Error;
use serde::{Deserialize, Serialize};

/// What a block is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Meta {
    /// Its name, which its directory has too.
    pub ulid: String,
    /// The earliest time that it may have samples of, milliseconds.
    pub min_time: i64,
    /// The time that all its samples are before, milliseconds.
    pub max_time: i64,
    /// What is in it.
    #[serde(default)]
    pub stats: Stats,
    /// Where it comes from.
    pub compaction: Compaction,
    /// Of the format: 1.
    pub version: u32,
}

/// Counts of a block.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Stats {
    /// Samples, those that tombstones hide included.
    pub num_samples: u64,
    /// Samples that are floats.
    pub num_float_samples: u64,
    /// Samples that are native histograms.
    pub num_histogram_samples: u64,
    /// Series.
    pub num_series: u64,
    /// Chunks.
    pub num_chunks: u64,
    /// Tombstones.
    pub num_tombstones: u64,
}

/// Where a block comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compaction {
    /// How often its samples were compacted; 1 is what the head wrote.
    pub level: u32,
    /// The blocks of level 1 that are in it.
    #[serde(default)]
    pub sources: Vec<String>,
    /// Nothing is in it: it is to be deleted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deletable: bool,
    /// The blocks that it was made from, and replaces.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parents: Vec<BlockDescription>,
}

/// A block that another was made from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BlockDescription {
    /// Its name.
    pub ulid: String,
    /// As [`Meta::min_time`].
    pub min_time: i64,
    /// As [`Meta::max_time`].
    pub max_time: i64,
}

const VERSION: u32 = 1;

impl Meta {
    /// Reads the file.
    ///
    /// # Errors
    /// Where it is no such JSON, or of another version than 1.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let meta: Self =
            serde_json::from_slice(bytes).map_err(|error| Error::corrupt("meta.json", error.to_string()))?;
        if meta.version != VERSION {
            return Err(Error::Unsupported(format!(
                "meta.json: version {} of blocks is not known, {VERSION} is",
                meta.version
            )));
        }
        Ok(meta)
    }

    /// The file, as Prometheus writes it.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let meta = Self {
            version: VERSION,
            ..self.clone()
        };
        let mut out = Vec::new();
        let tabs = serde_json::ser::PrettyFormatter::with_indent(b"\t");
        // Strings and numbers into memory: this does not fail.
        let _ = meta.serialize(&mut serde_json::Serializer::with_formatter(&mut out, tabs));
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_prometheus_writes() {
        let text = r#"{"ulid":"01KB0000000000000000000000","minTime":1000,"maxTime":7200000,
            "stats":{"numSamples":5,"numFloatSamples":3,"numHistogramSamples":2,"numSeries":2,"numChunks":2},
            "compaction":{"level":2,"sources":["A","B"],"parents":[{"ulid":"A","minTime":0,"maxTime":1}],
            "hints":["from-out-of-order"]},"version":1}"#;
        let meta = Meta::parse(text.as_bytes()).unwrap();
        assert_eq!(
            (meta.min_time, meta.stats.num_histogram_samples, meta.compaction.level),
            (1000, 2, 2)
        );
        assert_eq!(meta.compaction.parents[0].ulid, "A");
        assert_eq!(Meta::parse(&meta.to_json()).unwrap(), meta);
        let newer = text.replace("\"version\":1", "\"version\":2");
        assert!(
            Meta::parse(newer.as_bytes())
                .unwrap_err()
                .to_string()
                .contains("version 2")
        );
        assert!(
            Meta::parse(b"{}")
                .unwrap_err()
                .to_string()
                .starts_with("meta.json: missing field")
        );
    }
}
