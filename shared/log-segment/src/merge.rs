//! Merging: segments in, fewer and larger segments out.

use crate::rows::{Projection, Rows};
use crate::{EncodeOptions, Error, Footer, Segment, SegmentWriter};
use parapet_segment::Source;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The rows of a segment, block by block.
struct Cursor<'a> {
    source: &'a Source,
    footer: Footer,
    block: usize,
    rows: Rows,
    row: usize,
}

impl Cursor<'_> {
    /// The time of the next row; `None` at the end.
    fn next_ns(&mut self) -> Result<Option<i64>, Error> {
        while self.row == self.rows.len() {
            if self.block == self.footer.blocks().len() {
                return Ok(None);
            }
            self.rows = self.footer.read_block(self.source, self.block, Projection::ALL)?;
            (self.block, self.row) = (self.block + 1, 0);
        }
        Ok(Some(self.rows.timestamp_ns(self.row)))
    }
}

/// Brings segments together in the order of times; those of one time stay in the order of `sources`. A segment is closed
/// when it reaches `target_bytes`, about, and where the next record is at or after one of `cuts` (milliseconds,
/// ascending) and the last one was before it.
///
/// # Errors
/// Where a source does not read.
pub fn merge(
    sources: &[Source],
    options: &EncodeOptions,
    target_bytes: usize,
    cuts: &[i64],
) -> Result<Vec<Segment>, Error> {
    let mut cursors = Vec::with_capacity(sources.len());
    let mut next = BinaryHeap::new();
    for (number, source) in sources.iter().enumerate() {
        let footer = Footer::read(source)?;
        let mut cursor = Cursor {
            source,
            footer,
            block: 0,
            rows: Rows::new(Vec::new(), Projection::ALL)?,
            row: 0,
        };
        next.extend(cursor.next_ns()?.map(|at| Reverse((at, number))));
        cursors.push(cursor);
    }
    let part = |at_ns: i64| cuts.partition_point(|cut| *cut <= at_ns.div_euclid(crate::columns::NANOS_PER_MS));
    let (mut segments, mut writer, mut open_part) = (Vec::new(), SegmentWriter::new(options.clone()), None);
    while let Some(Reverse((at, number))) = next.pop() {
        let is_other_part = open_part.is_some_and(|open| open != part(at));
        if is_other_part || writer.size_bytes() >= target_bytes {
            let full = std::mem::replace(&mut writer, SegmentWriter::new(options.clone()));
            segments.extend(full.finish()?);
        }
        open_part = Some(part(at));
        let cursor = &mut cursors[number];
        writer.push(&cursor.rows.record(cursor.row)?)?;
        cursor.row += 1;
        next.extend(cursor.next_ns()?.map(|at| Reverse((at, number))));
    }
    segments.extend(writer.finish()?);
    Ok(segments)
}
