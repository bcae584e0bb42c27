//! Files that are written again and again for the same series: their labels are encoded once.

use crate::batch::{Batch, Samples};
use crate::day::Day;
use crate::limits::Limits;
use crate::readings::Readings;
use parapet_segment::{EncodeOptions, Error, Segment, Template};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Readings of different layouts that are committed together, in the order of their layouts' hashes.
#[derive(Debug)]
pub(super) struct Group<'b>(Vec<&'b Readings>);

impl<'b> Group<'b> {
    /// The group that batches are; `None` where one is something else, or two are of one layout.
    pub(super) fn of(batches: &'b [Batch]) -> Option<Self> {
        let readings = batches.iter().map(|batch| match &batch.samples {
            Samples::Readings(readings) => Some(readings),
            Samples::Series(_) => None,
        });
        let mut readings = readings.collect::<Option<Vec<_>>>()?;
        readings.sort_unstable_by_key(|readings| readings.layout.hash());
        let differ = |pair: &[&Readings]| pair[0].layout.hash() != pair[1].layout.hash();
        readings.windows(2).all(differ).then_some(Self(readings))
    }

    pub(super) fn readings(&self) -> impl Iterator<Item = &'b Readings> {
        self.0.iter().copied()
    }

    fn key(&self) -> Vec<u128> {
        self.0.iter().map(|readings| readings.layout.hash()).collect()
    }

    /// The day of all its samples, if they are of one day and none is refused for its time.
    fn day(&self, limits: &Limits, now_ms: i64) -> Option<Day> {
        let mut times = self.0.iter().flat_map(|readings| readings.times());
        let day = Day::of_ms(*self.0.first()?.times().first()?);
        times
            .all(|at| Day::of_ms(*at) == day && limits.refuse_time(*at, now_ms).is_none())
            .then_some(day)
    }
}

/// The files that were written of groups of layouts, as templates for the next ones.
#[derive(Debug)]
pub(super) struct Templates {
    known: Mutex<Known>,
    capacity_bytes: usize,
}

#[derive(Debug, Default)]
struct Known {
    files: HashMap<Vec<u128>, Arc<File>>,
    /// When each was used last, by a running number.
    used: HashMap<Vec<u128>, u64>,
    uses: u64,
    bytes: usize,
}

#[derive(Debug)]
struct File {
    template: Template,
    /// For each row the number of its series among all series of the group.
    numbers: Vec<u32>,
}

impl File {
    fn size_bytes(&self) -> usize {
        self.template.size_bytes() + size_of_val(&*self.numbers)
    }
}

impl Templates {
    pub(super) fn new(capacity_bytes: usize) -> Self {
        Self {
            known: Mutex::default(),
            capacity_bytes,
        }
    }

    /// The file of a group, where one of the same layouts was written before and no sample is refused.
    pub(super) fn fill(
        &self,
        group: &Group<'_>,
        limits: &Limits,
        now_ms: i64,
    ) -> Result<Option<(Day, Segment)>, Error> {
        let (Some(day), Some(file)) = (group.day(limits, now_ms), self.get(group.key())) else {
            return Ok(None);
        };
        let (mut all_times, mut all_values) = (Vec::new(), Vec::new());
        for readings in group.readings() {
            all_values.extend_from_slice(&readings.values);
            all_times.extend((0..readings.values.len()).map(|place| readings.timestamp_ms(place)));
        }
        let of_rows = |row: &u32| *row as usize;
        let timestamps: Vec<i64> = file.numbers.iter().map(|row| all_times[of_rows(row)]).collect();
        let values: Vec<f64> = file.numbers.iter().map(|row| all_values[of_rows(row)]).collect();
        Ok(Some((day, file.template.fill(&timestamps, &values)?)))
    }

    /// Remembers the file of a group in which no label was refused; `numbers` has for each sample in the order of
    /// rows the number of its series among all series of the group.
    pub(super) fn learn(
        &self,
        group: &Group<'_>,
        segment: &Segment,
        options: &EncodeOptions,
        numbers: Vec<usize>,
    ) -> Result<(), Error> {
        let numbers: Vec<u32> = numbers
            .into_iter()
            .filter_map(|number| u32::try_from(number).ok())
            .collect();
        let Some(template) = Template::of(segment, options)? else {
            return Ok(());
        };
        // Two targets may expose the same series: then there are fewer rows.
        if numbers.len() != template.rows() {
            return Ok(());
        }
        let file = File { template, numbers };
        let (key, size) = (group.key(), file.size_bytes());
        let mut known = self.lock();
        while known.bytes + size > self.capacity_bytes {
            let oldest = known
                .used
                .iter()
                .min_by_key(|(_, used)| **used)
                .map(|(key, _)| key.clone());
            let Some(oldest) = oldest else { return Ok(()) };
            known.forget(&oldest);
        }
        known.forget(&key);
        known.bytes += size;
        known.files.insert(key.clone(), Arc::new(file));
        known.note_use(key);
        Ok(())
    }

    fn get(&self, key: Vec<u128>) -> Option<Arc<File>> {
        let mut known = self.lock();
        let file = known.files.get(&key).cloned()?;
        known.note_use(key);
        Some(file)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn note_use(&mut self, key: Vec<u128>) {
        self.uses += 1;
        self.used.insert(key, self.uses);
    }

    fn forget(&mut self, key: &[u128]) {
        self.used.remove(key);
        if let Some(file) = self.files.remove(key) {
            self.bytes -= file.size_bytes();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::readings::{Layout, Times};
    use crate::writer::{WriterSettings, prepare};
    use parapet_model::{Labels, MetricType};

    const NOW_MS: i64 = 1_795_262_400_000;

    fn layout(target: usize) -> Arc<Layout> {
        let series = ["a", "b", "c"].map(|name| {
            let labels = Labels::from_pairs([("__name__", name.to_owned()), ("instance", target.to_string())]);
            (labels, MetricType::Gauge)
        });
        Arc::new(Layout::of(&series).unwrap().unwrap().0)
    }

    fn batch(layout: &Arc<Layout>, at: i64, value: f64) -> Batch {
        Batch {
            id: format!("{at}"),
            tenant: "default".to_owned(),
            samples: Samples::Readings(Readings {
                layout: layout.clone(),
                times: Times::All(at),
                values: vec![value, value + 1.0, value + 2.0],
            }),
        }
    }

    /// Whether a file was made of a template.
    fn helps(templates: &Templates, batches: &[Batch]) -> bool {
        let limits = Limits::default();
        let filled = Group::of(batches).map(|group| templates.fill(&group, &limits, NOW_MS).unwrap());
        filled.is_some_and(|file| file.is_some())
    }

    #[test]
    fn a_file_helps_with_the_next_of_the_same_layouts() {
        let (one, two) = (layout(1), layout(2));
        let (settings, templates) = (WriterSettings::default(), Templates::new(1 << 20));
        let both = |at| vec![batch(&one, at, 1.0), batch(&two, at, 5.0)];
        assert!(!helps(&templates, &both(NOW_MS)));
        let first = prepare(&both(NOW_MS), &settings, &templates, NOW_MS).unwrap();
        let mut other_order = both(NOW_MS + 15_000);
        other_order.reverse();
        assert!(helps(&templates, &other_order));
        let next = prepare(&other_order, &settings, &templates, NOW_MS).unwrap();
        assert_eq!((first.files.len(), next.files.len()), (1, 1));
        let entry = next.files[0].1.entry(String::new(), 0, NOW_MS);
        assert_eq!((entry.samples, entry.max_ts), (6, NOW_MS + 15_000));
        // Of one layout twice, of one alone, of two days, of a time that is refused: nothing that is known.
        assert!(!helps(
            &templates,
            &[batch(&one, NOW_MS, 1.0), batch(&one, NOW_MS + 1, 1.0)]
        ));
        assert!(!helps(&templates, &both(NOW_MS)[..1]));
        assert!(!helps(
            &templates,
            &[batch(&one, NOW_MS, 1.0), batch(&two, NOW_MS - crate::day::DAY_MS, 1.0)]
        ));
        assert!(!helps(&templates, &both(NOW_MS + crate::day::DAY_MS)));
    }

    #[test]
    fn what_was_not_used_for_longest_is_forgotten() {
        let settings = WriterSettings::default();
        let write = |templates: &Templates, target: usize| {
            let batches = [batch(&layout(target), NOW_MS, 1.0)];
            prepare(&batches, &settings, templates, NOW_MS).unwrap();
        };
        let known = |templates: &Templates, target: usize| helps(templates, &[batch(&layout(target), NOW_MS, 1.0)]);
        let measured = Templates::new(1 << 20);
        write(&measured, 1);
        let size = measured.lock().bytes;
        let templates = Templates::new(2 * size + size / 2);
        write(&templates, 1);
        write(&templates, 2);
        assert!(known(&templates, 1));
        write(&templates, 3);
        assert!(known(&templates, 1) && known(&templates, 3) && !known(&templates, 2));
        assert_eq!(templates.lock().bytes, 2 * size);
        let none = Templates::new(0);
        write(&none, 1);
        assert!(!known(&none, 1));
    }
}
