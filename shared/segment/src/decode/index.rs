//! The index of a segment: labels and time range of each row.

use super::{Footer, all};
use crate::error::contained;
use crate::schema;
use crate::{Error, Source};
use arrow_array::cast::AsArray as _;
use arrow_array::types::{Int64Type, TimestampMillisecondType};
use arrow_array::{MapArray, RecordBatch, StringArray};
use parapet_model::{Labels, METRIC_NAME, MatchOp, Matcher, MetricType};
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

pub(super) const COLUMNS: [&str; 5] = [
    schema::METRIC,
    schema::LABELS,
    schema::SERIES_ID,
    schema::MIN_TS,
    schema::MAX_TS,
];

const BATCH_ROWS: usize = 8 * 1024;

/// Labels that are already known by the id of their series. The same series stands in file after file: with a
/// cache its labels are decoded once and held once.
///
/// The id is a 64-bit hash. Two series of one cache with the same id (odds of 1 in 30 million at a million
/// series) would be given the labels of one of them.
pub trait LabelCache {
    /// The labels of a series, where they are known.
    fn get(&mut self, series_id: i64) -> Option<Labels>;
    /// Remembers the labels of a series.
    fn insert(&mut self, series_id: i64, labels: &Labels);
}

/// Remembers nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoLabelCache;

impl LabelCache for NoLabelCache {
    fn get(&mut self, _series_id: i64) -> Option<Labels> {
        None
    }
    fn insert(&mut self, _series_id: i64, _labels: &Labels) {}
}

/// Labels and time range of each row, in the order of rows.
#[derive(Clone, Debug, Default)]
pub struct Index {
    labels: Vec<Labels>,
    times: Vec<(i64, i64)>,
}

impl Index {
    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The labels of a row.
    ///
    /// # Panics
    /// When there is no such row.
    #[must_use]
    pub fn labels(&self, row: usize) -> &Labels {
        &self.labels[row]
    }

    /// The first and the last time of a row, milliseconds.
    ///
    /// # Panics
    /// When there is no such row.
    #[must_use]
    pub fn times(&self, row: usize) -> (i64, i64) {
        self.times[row]
    }

    /// The memory that the index takes, without the labels themselves, which it shares.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.labels.capacity() * size_of::<Labels>() + self.times.capacity() * size_of::<(i64, i64)>()
    }

    /// The rows whose labels pass every matcher and whose time range meets `start_ms..=end_ms`.
    #[must_use]
    pub fn select(&self, matchers: &[Matcher], start_ms: i64, end_ms: i64) -> Vec<Range<usize>> {
        let named = matchers
            .iter()
            .find(|matcher| matcher.name == METRIC_NAME && matcher.op == MatchOp::Equal);
        let within = match named {
            // Rows are sorted by metric name.
            Some(named) => {
                let before = |labels: &Labels| labels.metric_name().unwrap_or_default() < named.value.as_str();
                let until = |labels: &Labels| labels.metric_name().unwrap_or_default() <= named.value.as_str();
                let start = self.labels.partition_point(before);
                let found = self.labels[start..].partition_point(until);
                start..start + found
            }
            None => all(self.len()),
        };
        let (mut chosen, mut verdict): (Vec<Range<usize>>, Option<(usize, bool)>) = (Vec::new(), None);
        for row in within {
            let (min_ts, max_ts) = self.times[row];
            if min_ts > end_ms || max_ts < start_ms {
                continue;
            }
            let passes = match verdict {
                Some((other, passes)) if self.labels[other] == self.labels[row] => passes,
                _ => matchers.iter().all(|matcher| matcher.matches_labels(&self.labels[row])),
            };
            verdict = Some((row, passes));
            if !passes {
                continue;
            }
            match chosen.last_mut() {
                Some(last) if last.end == row => last.end += 1,
                _ => chosen.push(row..row + 1),
            }
        }
        chosen
    }
}

impl Footer {
    /// Reads the index; `source` needs [`Footer::index_ranges`].
    ///
    /// # Errors
    /// [`Error`] where the columns do not read or are not of the segment's form.
    pub fn read_index(&self, source: &Source, cache: &mut dyn LabelCache) -> Result<Index, Error> {
        contained(|| self.read_index_contained(source, cache))
    }

    fn read_index_contained(&self, source: &Source, cache: &mut dyn LabelCache) -> Result<Index, Error> {
        let mut index = Index {
            labels: Vec::with_capacity(self.rows()),
            times: Vec::with_capacity(self.rows()),
        };
        let (mut ids, mut unknown): (Vec<i64>, Vec<Range<usize>>) = (Vec::with_capacity(self.rows()), Vec::new());
        let columns = [schema::SERIES_ID, schema::MIN_TS, schema::MAX_TS];
        for batch in self.reader(source, &columns, &[all(self.rows())], BATCH_ROWS)? {
            let batch = batch?;
            ids.extend_from_slice(int64s(&batch, schema::SERIES_ID)?);
            let times = timestamps(&batch, schema::MIN_TS)?
                .iter()
                .zip(timestamps(&batch, schema::MAX_TS)?);
            index.times.extend(times.map(|(min_ts, max_ts)| (*min_ts, *max_ts)));
        }
        for (row, id) in ids.iter().enumerate() {
            let repeated = row > 0 && ids[row - 1] == *id;
            let known = if repeated {
                index.labels.last().cloned()
            } else {
                cache.get(*id)
            };
            let is_known = known.as_ref().is_some_and(|labels| !labels.is_empty());
            index.labels.push(known.unwrap_or_default());
            if !is_known {
                match unknown.last_mut() {
                    Some(last) if last.end == row => last.end += 1,
                    _ => unknown.push(row..row + 1),
                }
            }
        }
        if !unknown.is_empty() {
            self.read_labels(source, &unknown, &ids, &mut index.labels, cache)?;
        }
        Ok(index)
    }

    fn read_labels(
        &self,
        source: &Source,
        rows: &[Range<usize>],
        ids: &[i64],
        labels: &mut [Labels],
        cache: &mut dyn LabelCache,
    ) -> Result<(), Error> {
        let mut places = rows.iter().cloned().flatten();
        let mut last: Option<(i64, Labels)> = None;
        for batch in self.reader(source, &[schema::METRIC, schema::LABELS], rows, BATCH_ROWS)? {
            let batch = batch?;
            let columns = LabelColumns::of(&batch)?;
            for (row, place) in (0..batch.num_rows()).zip(places.by_ref()) {
                match &last {
                    Some((id, same)) if *id == ids[place] && columns.equal(row, same) => labels[place] = same.clone(),
                    _ => {
                        let read = columns.labels(row)?;
                        cache.insert(ids[place], &read);
                        last = Some((ids[place], read.clone()));
                        labels[place] = read;
                    }
                }
            }
        }
        Ok(())
    }

    /// The kind of each metric, by name. Where series of one metric differ, the greater kind by
    /// [`MetricType`]'s order is given, so that a known kind goes before an unknown one.
    ///
    /// # Errors
    /// As [`Footer::read_index`].
    pub fn read_types(&self, source: &Source) -> Result<BTreeMap<String, MetricType>, Error> {
        contained(|| self.read_types_contained(source))
    }

    fn read_types_contained(&self, source: &Source) -> Result<BTreeMap<String, MetricType>, Error> {
        let mut kinds: BTreeMap<String, MetricType> = BTreeMap::new();
        for batch in self.reader(source, &[schema::METRIC, schema::TYPE], &[all(self.rows())], BATCH_ROWS)? {
            let batch = batch?;
            let (metrics, words) = (strings(&batch, schema::METRIC)?, strings(&batch, schema::TYPE)?);
            let mut seen: HashMap<(&str, &str), ()> = HashMap::new();
            for row in 0..batch.num_rows() {
                let (metric, word) = (metrics.value(row), words.value(row));
                if seen.insert((metric, word), ()).is_none() {
                    let kind = MetricType::from_word(word).unwrap_or_default();
                    let known = kinds.entry(metric.to_owned()).or_default();
                    *known = kind.max(*known);
                }
            }
        }
        Ok(kinds)
    }

    /// The bytes that [`Footer::read_types`] reads.
    #[must_use]
    pub fn type_ranges(&self) -> Vec<Range<u64>> {
        self.ranges(&[schema::METRIC, schema::TYPE], &[all(self.rows())])
    }
}

/// The columns that labels are read from.
pub(crate) struct LabelColumns<'a> {
    metric: &'a StringArray,
    labels: &'a MapArray,
    names: &'a StringArray,
    values: &'a StringArray,
}

impl<'a> LabelColumns<'a> {
    pub(crate) fn of(batch: &'a RecordBatch) -> Result<Self, Error> {
        let labels = batch
            .column_by_name(schema::LABELS)
            .and_then(|column| column.as_map_opt());
        let labels = labels.ok_or_else(|| Error::form("labels are no map"))?;
        let texts = |column: &'a arrow_array::ArrayRef| {
            column
                .as_string_opt::<i32>()
                .ok_or_else(|| Error::form("labels are no strings"))
        };
        Ok(Self {
            metric: strings(batch, schema::METRIC)?,
            names: texts(labels.keys())?,
            values: texts(labels.values())?,
            labels,
        })
    }

    pub(crate) fn metric(&self, row: usize) -> &'a str {
        self.metric.value(row)
    }

    /// The labels of a row without `__name__`.
    fn pairs(&self, row: usize) -> impl Iterator<Item = (&'a str, &'a str)> + Clone + use<'a> {
        let offsets = self.labels.value_offsets();
        let place = |at: i32| usize::try_from(at).unwrap_or_default();
        let (names, values) = (self.names, self.values);
        (place(offsets[row])..place(offsets[row + 1])).map(|at| (names.value(at), values.value(at)))
    }

    pub(crate) fn labels(&self, row: usize) -> Result<Labels, Error> {
        let metric = Some((METRIC_NAME, self.metric(row))).filter(|(_, name)| !name.is_empty());
        let before = self.pairs(row).take_while(|(name, _)| *name < METRIC_NAME);
        let after = self.pairs(row).skip_while(|(name, _)| *name < METRIC_NAME);
        let pairs = before.chain(metric).chain(after);
        if pairs.clone().zip(pairs.clone().skip(1)).any(|(a, b)| a.0 >= b.0) {
            return Err(Error::form("labels of a row are not sorted"));
        }
        Ok(Labels::from_sorted(pairs))
    }

    pub(crate) fn equal(&self, row: usize, labels: &Labels) -> bool {
        self.metric(row) == labels.metric_name().unwrap_or_default()
            && self
                .pairs(row)
                .eq(labels.iter().filter(|(name, _)| *name != METRIC_NAME))
    }
}

pub(crate) fn strings<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a StringArray, Error> {
    let column = batch
        .column_by_name(name)
        .and_then(|column| column.as_string_opt::<i32>());
    column.ok_or_else(|| Error::form(format!("{name} is not a string column")))
}

pub(crate) fn int64s<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a [i64], Error> {
    let column = batch
        .column_by_name(name)
        .and_then(|column| column.as_primitive_opt::<Int64Type>());
    Ok(column
        .ok_or_else(|| Error::form(format!("{name} is not an int64 column")))?
        .values())
}

pub(crate) fn timestamps<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a [i64], Error> {
    let column = batch
        .column_by_name(name)
        .and_then(|column| column.as_primitive_opt::<TimestampMillisecondType>());
    Ok(column
        .ok_or_else(|| Error::form(format!("{name} is not a timestamp column")))?
        .values())
}
