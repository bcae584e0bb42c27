//! Reading: the footer, then the index where words are needed, then the rows of chosen blocks.

use crate::Error;
use crate::error::contained;
use crate::rows::{Projection, Rows};
use crate::schema;
use crate::summary::{Block, Origin, Summary};
use arrow_schema::{Fields, Schema};
use bytes::Bytes;
use parapet_logs::index::IndexSet;
use parapet_logs::{Level, Need};
use parapet_segment::Source;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::file::metadata::PageIndexPolicy;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// The footer of a segment: what is where. Immutable as the file is; cheap to clone.
#[derive(Clone, Debug)]
pub struct Footer {
    metadata: ArrowReaderMetadata,
    summary: Arc<Summary>,
    size_bytes: usize,
}

/// Rows of a block come in batches of this many.
const BATCH_ROWS: usize = 16 * 1024;

impl Footer {
    /// Reads the footer; `source` needs the last [`crate::SegmentInfo::footer_bytes`] of the file.
    ///
    /// # Errors
    /// [`Error::Form`] where the file is of another version or lacks what a segment has.
    pub fn read(source: &Source) -> Result<Self, Error> {
        contained(|| Self::read_contained(source))
    }

    fn read_contained(source: &Source) -> Result<Self, Error> {
        let options = ArrowReaderOptions::new()
            .with_skip_arrow_metadata(true)
            .with_column_index_policy(PageIndexPolicy::Skip)
            .with_offset_index_policy(PageIndexPolicy::Skip);
        let metadata = ArrowReaderMetadata::load(source, options.clone())?;
        let fields = metadata.schema().fields().iter();
        let fields = fields.map(|field| match schema::WORDS.contains(&field.name().as_str()) {
            true => Arc::new(field.as_ref().clone().with_data_type(schema::word_type())),
            false => field.clone(),
        });
        let options = options.with_schema(Arc::new(Schema::new(fields.collect::<Fields>())));
        let metadata = ArrowReaderMetadata::try_new(metadata.metadata().clone(), options)?;
        let pairs = metadata.metadata().file_metadata().key_value_metadata();
        let value = |key: &str| {
            let pair = pairs?.iter().find(|pair| pair.key == key)?;
            pair.value.as_deref()
        };
        match value(schema::VERSION_KEY) {
            Some(schema::VERSION) => {}
            other => {
                let found = other.unwrap_or("none");
                let text = format!("version {found}, known is {}", schema::VERSION);
                return Err(Error::form(text));
            }
        }
        let text = value(schema::SUMMARY_KEY).ok_or_else(|| Error::form("no summary of blocks"))?;
        let summary: Summary = serde_json::from_str(text).map_err(|error| Error::form(error.to_string()))?;
        let groups = metadata.metadata().num_row_groups();
        if summary.blocks.len() != groups {
            let text = format!("{} blocks in {groups} row groups", summary.blocks.len());
            return Err(Error::form(text));
        }
        let known = summary.origins.len();
        let of_blocks = summary.blocks.iter().flat_map(|block| &block.origins).flatten();
        if of_blocks.into_iter().any(|origin| *origin as usize >= known)
            || !matches!(summary.volumes.len(), volumes if volumes == 0 || volumes == known)
            || !summary.index.slots.is_power_of_two()
        {
            return Err(Error::form("the summary of blocks contradicts itself"));
        }
        let size_bytes = metadata.metadata().memory_size() + 2 * text.len() + 512;
        Ok(Self {
            metadata,
            summary: Arc::new(summary),
            size_bytes,
        })
    }

    /// What is known of each block.
    #[must_use]
    pub fn blocks(&self) -> &[Block] {
        &self.summary.blocks
    }

    /// The origins of a block's records; `None` where the file has too many to tell.
    #[must_use]
    pub fn origins(&self, block: usize) -> Option<impl Iterator<Item = &Origin>> {
        let numbers = self.summary.blocks.get(block)?.origins.as_ref()?;
        Some(numbers.iter().map(|number| &self.summary.origins[*number as usize]))
    }

    /// All origins of the file, by number; none where it has too many to tell.
    #[must_use]
    pub fn all_origins(&self) -> &[Origin] {
        &self.summary.origins
    }

    /// The records of a block.
    #[must_use]
    pub fn records(&self, block: usize) -> u64 {
        let rows = self.metadata.metadata().row_group(block).num_rows();
        u64::try_from(rows).unwrap_or_default()
    }

    pub(crate) fn summary(&self) -> &Summary {
        &self.summary
    }

    /// The memory that the footer takes.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.size_bytes
    }

    /// The bytes of the index that tell about a need, each with the number by which [`Footer::may_match`] knows it.
    #[must_use]
    pub fn index_ranges(&self, need: &Need) -> Vec<(usize, Range<u64>)> {
        let (index, blocks) = (&self.summary.index, self.summary.blocks.len());
        let row_bytes = (blocks * IndexSet::SLOT_BYTES) as u64;
        let slots = IndexSet::slots_of(need, index.slots);
        slots
            .into_iter()
            .map(|slot| {
                let start = index.offset + slot as u64 * row_bytes;
                (slot, start..start + row_bytes)
            })
            .collect()
    }

    /// Whether a block may hold what is needed, by the parts of the index that [`Footer::index_ranges`] named.
    #[must_use]
    pub fn may_match(&self, need: &Need, block: usize, parts: &HashMap<usize, Bytes>) -> bool {
        self.summary.may_match(need, block, parts)
    }

    /// The bytes that [`Footer::read_block`] reads.
    #[must_use]
    pub fn block_ranges(&self, block: usize, projection: Projection) -> Vec<Range<u64>> {
        let mask = self.mask(block, projection);
        let columns = self.metadata.metadata().row_group(block).columns();
        let wanted = columns.iter().enumerate().filter(|(leaf, _)| mask.leaf_included(*leaf));
        wanted
            .map(|(_, column)| {
                let (start, length) = column.byte_range();
                start..start + length
            })
            .collect()
    }

    /// The columns that are to be read of a block. Of words it may have none at all: to find that out from their column
    /// takes as long as all the rest.
    fn mask(&self, block: usize, projection: Projection) -> ProjectionMask {
        let has = |word: &dyn Fn(&Origin) -> bool| self.origins(block).is_none_or(|mut origins| origins.any(word));
        let is_there = |name: &&str| match *name {
            schema::LEVEL => Level::ALL
                .into_iter()
                .any(|level| self.blocks()[block].has_level(Some(level))),
            schema::SERVICE => has(&|origin| !origin.service.is_empty()),
            schema::HOST => has(&|origin| !origin.host.is_empty()),
            _ => true,
        };
        let names = projection.columns().filter(is_there);
        ProjectionMask::columns(self.metadata.parquet_schema(), names)
    }

    /// The rows of a block.
    ///
    /// # Errors
    /// Where bytes are missing or damaged.
    pub fn read_block(&self, source: &Source, block: usize, projection: Projection) -> Result<Rows, Error> {
        contained(|| {
            let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(source.clone(), self.metadata.clone())
                .with_projection(self.mask(block, projection))
                .with_batch_size(BATCH_ROWS)
                .with_row_groups(vec![block])
                .build()?;
            Rows::new(reader.collect::<Result<Vec<_>, _>>()?, projection)
        })
    }
}
