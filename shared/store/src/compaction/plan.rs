//! Which files to merge.

use super::CompactionSettings;
use crate::manifest::FileEntry;
use std::collections::BTreeMap;

/// No level goes beyond this: manifests sort levels as two digits.
const MAX_LEVEL: u8 = 90;

/// The merges that are due among the files of a day. No file stands in two.
pub(super) fn merges(files: &[FileEntry], settings: &CompactionSettings, is_over: bool) -> Vec<Vec<FileEntry>> {
    let mut open: Vec<&FileEntry> = files
        .iter()
        .filter(|file| file.bytes < settings.target_bytes / 2 && file.level < MAX_LEVEL)
        .collect();
    open.sort_by_key(|file| (file.min_ts, file.max_ts));
    if is_over && open.len() > settings.closed_day_files {
        return groups(open, settings);
    }
    let mut levels: BTreeMap<u8, Vec<&FileEntry>> = BTreeMap::new();
    for file in open {
        levels.entry(file.level).or_default().push(file);
    }
    let due = |level: u8, files: &[&FileEntry]| files.len() >= if level == 0 { 2 } else { settings.fanout.max(2) };
    let due = levels.into_iter().filter(|(level, files)| due(*level, files));
    due.flat_map(|(_, files)| groups(files, settings)).collect()
}

/// Neighbours in time, as many as one merge may take.
fn groups(files: Vec<&FileEntry>, settings: &CompactionSettings) -> Vec<Vec<FileEntry>> {
    let (mut groups, mut bytes) = (Vec::<Vec<FileEntry>>::new(), 0);
    for file in files {
        match groups.last_mut() {
            Some(group) if group.len() < settings.max_inputs && bytes + file.bytes <= settings.max_merge_bytes => {
                group.push(file.clone());
                bytes += file.bytes;
            }
            _ => {
                groups.push(vec![file.clone()]);
                bytes = file.bytes;
            }
        }
    }
    groups.retain(|group| group.len() > 1);
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use parapet_segment::SegmentInfo;

    fn file(level: u8, min_ts: i64, bytes: u64) -> FileEntry {
        let info = SegmentInfo {
            min_ts,
            max_ts: min_ts,
            ..SegmentInfo::default()
        };
        FileEntry::of(&info, format!("{level}-{min_ts}"), level, bytes, 0)
    }

    fn sizes(files: &[FileEntry], settings: &CompactionSettings, is_over: bool) -> Vec<usize> {
        merges(files, settings, is_over).iter().map(Vec::len).collect()
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
        assert!(sizes(&of(2, 4), &settings, true).len() == 1 && sizes(&of(MAX_LEVEL, 9), &settings, true).is_empty());
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
