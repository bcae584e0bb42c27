//! Which files to merge.

use super::CompactionSettings;
use crate::day::{DAY_MS, Day};
use crate::manifest::FileEntry;
use std::collections::BTreeMap;

/// No level goes beyond this: manifests sort levels as two digits.
const MAX_LEVEL: u8 = 90;

/// A smaller file may reach over the parts of a day: reading all of it costs little.
const SMALL_FILE_BYTES: u64 = 1 << 20;

/// Files to merge.
#[derive(Debug)]
pub(super) struct Merge {
    pub(super) inputs: Vec<FileEntry>,
    /// Times that no output reaches over, milliseconds.
    pub(super) cuts: Vec<i64>,
}

/// The merges that are due among the files of a day. No file stands in two.
pub(super) fn merges(files: &[FileEntry], day: Day, settings: &CompactionSettings, is_over: bool) -> Vec<Merge> {
    let mut open: Vec<&FileEntry> = files
        .iter()
        .filter(|file| file.bytes < settings.target_bytes / 2 && file.level < MAX_LEVEL)
        .collect();
    open.sort_by_key(|file| (file.min_ts, file.max_ts));
    if is_over {
        let cuts = cuts(day, settings.closed_day_parts);
        let mut merges = groups(open.clone(), settings, 1);
        let is_cut = |file: &&FileEntry| {
            let reaches_over = cuts.iter().any(|cut| file.min_ts < *cut && *cut <= file.max_ts);
            reaches_over && file.bytes > SMALL_FILE_BYTES
        };
        match &mut merges[..] {
            [all] if open.len() > settings.closed_day_files || open.iter().any(is_cut) => {
                all.cuts = cuts;
                return merges;
            }
            [_, _, ..] if open.len() > settings.closed_day_files => {
                merges.retain(|merge| merge.inputs.len() > 1);
                return merges;
            }
            _ => {}
        }
    }
    let mut levels: BTreeMap<u8, Vec<&FileEntry>> = BTreeMap::new();
    for file in open {
        levels.entry(file.level).or_default().push(file);
    }
    let due = |level: u8, files: &[&FileEntry]| files.len() >= if level == 0 { 2 } else { settings.fanout.max(2) };
    let due = levels.into_iter().filter(|(level, files)| due(*level, files));
    due.flat_map(|(_, files)| groups(files, settings, 2)).collect()
}

fn cuts(day: Day, parts: usize) -> Vec<i64> {
    let parts = i64::try_from(parts).unwrap_or(1).max(1);
    (1..parts).map(|part| day.start_ms() + DAY_MS / parts * part).collect()
}

/// Neighbours in time, as many as one merge may take, at least `least`.
fn groups(files: Vec<&FileEntry>, settings: &CompactionSettings, least: usize) -> Vec<Merge> {
    let (mut groups, mut bytes) = (Vec::<Merge>::new(), 0);
    for file in files {
        match groups.last_mut().map(|group| &mut group.inputs) {
            Some(group) if group.len() < settings.max_inputs && bytes + file.bytes <= settings.max_merge_bytes => {
                group.push(file.clone());
                bytes += file.bytes;
            }
            _ => {
                groups.push(Merge {
                    inputs: vec![file.clone()],
                    cuts: Vec::new(),
                });
                bytes = file.bytes;
            }
        }
    }
    groups.retain(|group| group.inputs.len() >= least);
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(level: u8, min_ts: i64, bytes: u64) -> FileEntry {
        FileEntry {
            key: format!("{level}-{min_ts}"),
            level,
            min_ts,
            max_ts: min_ts,
            bytes,
            ..FileEntry::default()
        }
    }

    fn sizes(files: &[FileEntry], settings: &CompactionSettings, is_over: bool) -> Vec<usize> {
        let merges = merges(files, Day::of_ms(0), settings, is_over);
        merges.iter().map(|merge| merge.inputs.len()).collect()
    }

    #[test]
    fn levels_fill_up() {
        let settings = CompactionSettings {
            fanout: 3,
            max_inputs: 4,
            ..CompactionSettings::default()
        };
        let of = |level, count: i64| (0..count).map(|n| file(level, n, 10)).collect::<Vec<_>>();
        assert!(sizes(&of(0, 1), &settings, false).is_empty());
        assert_eq!(sizes(&of(0, 2), &settings, false), [2]);
        assert_eq!(sizes(&of(0, 9), &settings, false), [4, 4], "a group of one waits");
        assert!(sizes(&of(1, 2), &settings, false).is_empty());
        assert_eq!(sizes(&of(1, 3), &settings, false), [3]);
        let mixed: Vec<_> = of(0, 2).into_iter().chain(of(1, 3)).chain(of(2, 2)).collect();
        assert_eq!(sizes(&mixed, &settings, false), [2, 3]);
        assert_eq!(sizes(&mixed, &settings, true), [4, 3]);
        assert!(sizes(&of(2, 6), &settings, true).len() == 2 && sizes(&of(MAX_LEVEL, 9), &settings, true).is_empty());
    }

    #[test]
    fn a_day_that_is_over_is_cut_where_one_merge_takes_it_whole() {
        let settings = CompactionSettings {
            max_inputs: 8,
            ..CompactionSettings::default()
        };
        let of = |count: i64| (0..count).map(|n| file(1, n, 10)).collect::<Vec<_>>();
        let cuts = |count, is_over| {
            let merges = merges(&of(count), Day::of_ms(DAY_MS), &settings, is_over);
            merges.into_iter().map(|merge| merge.cuts).collect::<Vec<_>>()
        };
        let hours = |all: [i64; 3]| all.map(|hour| DAY_MS + hour * 3_600_000).to_vec();
        assert_eq!(cuts(7, true), [hours([6, 12, 18])]);
        assert_eq!(cuts(5, true), Vec::<Vec<i64>>::new(), "so many may stay");
        assert_eq!(
            cuts(12, true),
            [Vec::<i64>::new(), Vec::new()],
            "neighbours in time are cut as it is"
        );
        assert_eq!(cuts(8, false), [Vec::<i64>::new()]);
        // One large file over all of the day is cut; its parts are not merged again.
        let whole = FileEntry {
            max_ts: 2 * DAY_MS - 1,
            ..file(1, DAY_MS, 8 << 20)
        };
        let merges_of = |files: &[FileEntry]| merges(files, Day::of_ms(DAY_MS), &settings, true);
        assert_eq!(merges_of(std::slice::from_ref(&whole))[0].cuts.len(), 3);
        let part = |number: i64| FileEntry {
            max_ts: DAY_MS + (number + 1) * DAY_MS / 4 - 1,
            ..file(2, DAY_MS + number * DAY_MS / 4, 2 << 20)
        };
        assert!(merges_of(&[part(0), part(1), part(2), part(3)]).is_empty());
    }

    #[test]
    fn finished_files_are_left_and_memory_is_bounded() {
        let settings = CompactionSettings {
            target_bytes: 100,
            max_merge_bytes: 90,
            ..CompactionSettings::default()
        };
        let files = [
            file(0, 1, 40),
            file(0, 2, 40),
            file(0, 3, 50),
            file(0, 4, 40),
            file(0, 5, 40),
        ];
        assert_eq!(sizes(&files, &settings, false), [2, 2]);
    }
}
