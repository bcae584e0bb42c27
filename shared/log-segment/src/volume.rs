//! How much of which origin is in which block, about: from the footer alone.

use crate::Footer;
use crate::summary::Origin;

/// What a block holds of an origin, about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Part {
    /// The block's earliest record, nanoseconds since the Unix epoch.
    pub min_ns: i64,
    /// Its latest record.
    pub max_ns: i64,
    /// Records of the origin.
    pub records: f64,
    /// Bytes of their lines.
    pub line_bytes: f64,
}

impl Part {
    /// What lies in a range of time, as if records were spread evenly over the block; `None` where nothing does.
    #[must_use]
    #[allow(clippy::cast_precision_loss)] // an estimate
    pub fn within(self, start_ns: i64, end_ns: i64) -> Option<Self> {
        let (min_ns, max_ns) = (self.min_ns.max(start_ns), self.max_ns.min(end_ns));
        if min_ns > max_ns {
            return None;
        }
        let whole = self.max_ns.saturating_sub(self.min_ns);
        let share = match whole {
            0 => 1.0,
            whole => max_ns.saturating_sub(min_ns) as f64 / whole as f64,
        };
        Some(Self {
            min_ns,
            max_ns,
            records: self.records * share,
            line_bytes: self.line_bytes * share,
        })
    }
}

impl Footer {
    /// What a block holds of an origin that has so many of its records: its lines are taken to be as long as others.
    #[must_use]
    #[allow(clippy::cast_precision_loss)] // an estimate
    pub fn part(&self, block: usize, records: u64) -> Part {
        let (known, records) = (&self.blocks()[block], records as f64);
        Part {
            min_ns: known.min_ns,
            max_ns: known.max_ns,
            records,
            line_bytes: known.line_bytes as f64 * records / (self.records(block) as f64).max(1.0),
        }
    }

    /// What each block holds of each origin that is wanted. The file tells how much it has of an origin, and which blocks
    /// have any: that is taken to be spread over them as all lines are. `None` where the file has too many origins to
    /// tell.
    #[must_use]
    #[allow(clippy::cast_precision_loss)] // an estimate
    pub fn parts(&self, wanted: &dyn Fn(&Origin) -> bool) -> Option<Vec<(&Origin, Vec<Part>)>> {
        let summary = self.summary();
        // The blocks of each origin, with what all origins of the block have.
        let mut of_origins: Vec<Vec<(usize, f64)>> = vec![Vec::new(); summary.origins.len()];
        for (number, block) in summary.blocks.iter().enumerate() {
            let origins = block.origins.as_ref()?;
            for origin in origins {
                of_origins[*origin as usize].push((number, 1.0 / origins.len() as f64));
            }
        }
        let origins = summary.origins.iter().enumerate().filter(|(_, origin)| wanted(origin));
        let parts = origins.map(|(number, origin)| {
            let blocks = &of_origins[number];
            let sum = |of: &dyn Fn(usize) -> u64| blocks.iter().map(|(block, _)| of(*block) as f64).sum::<f64>();
            let records_of = |block: usize| self.records(block);
            let bytes_of = |block: usize| summary.blocks[block].line_bytes;
            let (all_records, all_bytes) = (sum(&records_of), sum(&bytes_of));
            let volume = summary.volumes.get(number);
            let parts = blocks.iter().map(|(block, even)| {
                let share = |volume: u64, of_block: u64, all: f64| match all {
                    0.0 => 0.0,
                    all => volume as f64 * of_block as f64 / all,
                };
                let (of_records, of_bytes) = (records_of(*block), bytes_of(*block));
                let (records, line_bytes) = match volume {
                    Some((records, bytes)) => (
                        share(*records, of_records, all_records),
                        share(*bytes, of_bytes, all_bytes),
                    ),
                    None => (of_records as f64 * even, of_bytes as f64 * even),
                };
                let block = &summary.blocks[*block];
                Part {
                    min_ns: block.min_ns,
                    max_ns: block.max_ns,
                    records,
                    line_bytes,
                }
            });
            (origin, parts.collect())
        });
        Some(parts.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EncodeOptions, SegmentWriter};
    use parapet_logs::LogRecord;
    use parapet_model::Labels;
    use parapet_segment::Source;

    /// Lines of `app=a` and `app=b`, ten times as many of a; four blocks.
    fn footer(origins: usize) -> Footer {
        let mut writer = SegmentWriter::new(EncodeOptions {
            block_rows: 110,
            ..EncodeOptions::default()
        });
        for number in 0..440_i64 {
            let app = if number % 11 == 0 {
                "b".to_owned()
            } else {
                format!("a{}", number as usize % origins)
            };
            writer
                .push(&LogRecord {
                    timestamp_ns: number,
                    raw: vec![b'x'; if app == "b" { 50 } else { 10 }].into(),
                    stream: Labels::from_pairs([("app", app)]),
                    ..LogRecord::default()
                })
                .unwrap();
        }
        Footer::read(&Source::whole(writer.finish().unwrap().unwrap().bytes)).unwrap()
    }

    #[test]
    fn volumes_of_origins() {
        let footer = footer(1);
        assert_eq!(footer.blocks().len(), 4);
        let of = |app: &str, start_ns: i64, end_ns: i64| {
            let parts = footer.parts(&|origin| origin.stream.get("app") == Some(app)).unwrap();
            let parts = parts.iter().flat_map(|(_, parts)| parts);
            let within = parts.filter_map(|part| part.within(start_ns, end_ns));
            let sums = within.fold((0.0, 0.0), |(records, bytes), part| {
                (records + part.records, bytes + part.line_bytes)
            });
            (sums.0.round() as i64, sums.1.round() as i64)
        };
        assert_eq!(of("a0", i64::MIN, i64::MAX), (400, 4000));
        assert_eq!(of("b", i64::MIN, i64::MAX), (40, 2000));
        assert_eq!(of("b", 0, 219), (20, 1000), "half of the blocks");
        let (records, bytes) = of("a0", 0, 54);
        assert!(
            (45..=55).contains(&records) && (450..=550).contains(&bytes),
            "{records} {bytes}"
        );
        assert_eq!(of("b", 440, i64::MAX), (0, 0));
        assert_eq!(of("c", 0, 440), (0, 0));
    }

    #[test]
    fn too_many_origins_are_not_told() {
        assert!(footer(2_000).parts(&|_| true).is_some());
        let mut writer = SegmentWriter::new(EncodeOptions::default());
        for number in 0..1_500 {
            writer
                .push(&LogRecord {
                    timestamp_ns: number,
                    stream: Labels::from_pairs([("app", number.to_string())]),
                    ..LogRecord::default()
                })
                .unwrap();
        }
        let footer = Footer::read(&Source::whole(writer.finish().unwrap().unwrap().bytes)).unwrap();
        assert!(footer.parts(&|_| true).is_none());
        assert_eq!(footer.records(0), 1_500);
    }
}
