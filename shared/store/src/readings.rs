//! [`Readings`]: one float for each series of a [`Layout`], as a scrape brings them that found the series of the last one.

use crate::day::Day;
use crate::envelope::{CLAIM_PREFIX, FetchError, Poison};
use crate::objects;
use crate::reader::cache::Cache;
use bytes::Bytes;
use object_store::ObjectStore;
use parapet_model::{BatchSeries, Labels, MetricType, Sample};
use parapet_ports::{Error, Kind};
use std::sync::{Arc, Mutex, PoisonError};

/// Faster than the default level, and within a few percent of its size.
const ZSTD_LEVEL: i32 = 1;

/// The longest layout that is read, decompressed.
const MAX_LAYOUT_BYTES: usize = 1 << 30;

/// Series without their samples, in the order of a segment's rows. Samples that come again and again for the same
/// series name the layout and bring numbers only: labels are encoded, sent, decoded and sorted once.
#[derive(Debug)]
pub struct Layout {
    series: Vec<LayoutSeries>,
    /// Of all it says.
    hash: u128,
    /// The compressed form, for the bucket.
    encoded: Bytes,
    /// The day for which it was put in the bucket last.
    put: Mutex<Option<Day>>,
}

/// A series of a layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayoutSeries {
    /// The labels, `__name__` included.
    pub labels: Labels,
    /// The kind of the metric.
    pub kind: MetricType,
    /// The id of the labels.
    pub series_id: i64,
}

impl PartialEq for Layout {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash
    }
}

impl Layout {
    /// The layout of series in any order, and where each of them stands in it; `None` where two are the same series,
    /// or the layout would be too large to be read again.
    ///
    /// # Errors
    /// [`Kind::Internal`] where it does not compress.
    pub fn of(series: &[(Labels, MetricType)]) -> Result<Option<(Self, Vec<usize>)>, Error> {
        let mut sorted: Vec<(usize, LayoutSeries)> = series
            .iter()
            .map(|(labels, kind)| LayoutSeries {
                labels: labels.clone(),
                kind: *kind,
                series_id: labels.series_id(),
            })
            .enumerate()
            .collect();
        sorted.sort_by(|(_, a), (_, b)| a.row_order(b));
        if sorted.windows(2).any(|pair| pair[0].1.labels == pair[1].1.labels) {
            return Ok(None);
        }
        let mut places = vec![0; sorted.len()];
        for (place, (of, _)) in sorted.iter().enumerate() {
            places[*of] = place;
        }
        let series: Vec<LayoutSeries> = sorted.into_iter().map(|(_, series)| series).collect();
        let wire: Vec<BatchSeries> = series
            .iter()
            .map(|series| BatchSeries {
                labels: series.labels.clone(),
                kind: series.kind,
                // A series of the wire has a sample.
                samples: vec![Sample::float(0, 0.0)],
                exemplars: Vec::new(),
            })
            .collect();
        let plain = parapet_remote_write::encode_v2(&wire);
        if plain.len() > MAX_LAYOUT_BYTES {
            return Ok(None);
        }
        let encoded = zstd::bulk::compress(&plain, ZSTD_LEVEL)
            .map_err(|error| Error::new(Kind::Internal, "layout does not compress").with_source(error))?;
        Ok(Some((Self::new(series, encoded.into()), places)))
    }

    fn new(series: Vec<LayoutSeries>, encoded: Bytes) -> Self {
        Self {
            series,
            hash: xxhash_rust::xxh3::xxh3_128(&encoded),
            encoded,
            put: Mutex::default(),
        }
    }

    fn decode(encoded: Bytes) -> Result<Self, String> {
        let plain = crate::envelope::decompress(&encoded, MAX_LAYOUT_BYTES)?;
        let series = parapet_remote_write::decode_v2(&plain).map_err(|error| parapet_ports::error::chain(&error))?;
        let series: Vec<LayoutSeries> = series
            .into_iter()
            .map(|series| LayoutSeries {
                series_id: series.labels.series_id(),
                kind: series.kind,
                labels: series.labels,
            })
            .collect();
        if !series.is_sorted_by(|a, b| a.row_order(b).is_lt()) {
            return Err("series are not in order".to_owned());
        }
        Ok(Self::new(series, encoded))
    }

    /// The series, in order.
    #[must_use]
    pub fn series(&self) -> &[LayoutSeries] {
        &self.series
    }

    /// What tells it from other layouts.
    pub(crate) fn hash(&self) -> u128 {
        self.hash
    }

    /// The object of the bucket that holds it on a day. It goes with the claim checks of that day, when no message of
    /// the day can be left.
    pub(crate) async fn put(&self, objects: &dyn ObjectStore, now_ms: i64) -> Result<String, Error> {
        let day = Day::of_ms(now_ms);
        let key = format!("{CLAIM_PREFIX}/{day}/layout-{:032x}", self.hash);
        let lock = || self.put.lock().unwrap_or_else(PoisonError::into_inner);
        if *lock() != Some(day) {
            objects::put_new(objects, key.clone(), self.encoded.clone()).await?;
            *lock() = Some(day);
        }
        Ok(key)
    }
}

impl LayoutSeries {
    fn row_order(&self, other: &Self) -> std::cmp::Ordering {
        let names = self.labels.metric_name().cmp(&other.labels.metric_name());
        names
            .then_with(|| self.series_id.cmp(&other.series_id))
            .then_with(|| self.labels.cmp(&other.labels))
    }
}

/// When the samples of readings were taken, milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Times {
    /// All at once.
    All(i64),
    /// Each at its own time, in the order of the layout.
    Each(Vec<i64>),
}

/// A float for each series of a layout.
#[derive(Clone, Debug, PartialEq)]
pub struct Readings {
    /// The series.
    pub layout: Arc<Layout>,
    /// When they were taken.
    pub times: Times,
    /// The values, in the order of the layout.
    pub values: Vec<f64>,
}

impl Readings {
    /// The time of a series' sample.
    #[must_use]
    pub fn timestamp_ms(&self, place: usize) -> i64 {
        match &self.times {
            Times::All(at) => *at,
            Times::Each(times) => times[place],
        }
    }

    /// The times that there are, each at least once.
    pub(crate) fn times(&self) -> &[i64] {
        match &self.times {
            Times::All(at) => std::slice::from_ref(at),
            Times::Each(times) => times,
        }
    }

    /// The same as series with a sample each.
    #[must_use]
    pub fn into_series(self) -> Vec<BatchSeries> {
        let series = self
            .layout
            .series
            .iter()
            .enumerate()
            .map(|(place, series)| BatchSeries {
                labels: series.labels.clone(),
                kind: series.kind,
                samples: vec![Sample::float(self.timestamp_ms(place), self.values[place])],
                exemplars: Vec::new(),
            });
        series.collect()
    }

    /// The numbers for the queue: how many times there are, the times, the first bytes of all values, the second bytes,
    /// and so on, compressed. Alike bytes stand together that way: most values are whole numbers.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, Error> {
        let (times, count) = (self.times(), self.values.len());
        let one = matches!(self.times, Times::All(_));
        let mut plain = Vec::with_capacity(1 + 8 * (times.len() + count));
        plain.push(u8::from(one));
        for at in times {
            plain.extend_from_slice(&at.to_le_bytes());
        }
        let start = plain.len();
        plain.resize(start + 8 * count, 0);
        let planes = &mut plain[start..];
        for (place, value) in self.values.iter().enumerate() {
            for (plane, byte) in value.to_bits().to_be_bytes().into_iter().enumerate() {
                planes[plane * count + place] = byte;
            }
        }
        zstd::bulk::compress(&plain, ZSTD_LEVEL)
            .map_err(|error| Error::new(Kind::Internal, "readings do not compress").with_source(error))
    }

    pub(crate) fn decode(layout: Arc<Layout>, bytes: &[u8]) -> Result<Self, String> {
        let count = layout.series.len();
        // Neither more nor less than the layout needs.
        let plain = crate::envelope::decompress(bytes, 1 + 16 * count)?;
        let wrong = || format!("readings do not fit {count} series");
        let (one, rest) = plain.split_first().ok_or_else(wrong)?;
        let times = match one {
            1 => 1,
            0 => count,
            _ => return Err("readings of another form".to_owned()),
        };
        if rest.len() != 8 * (times + count) {
            return Err(wrong());
        }
        let (head, planes) = rest.split_at(8 * times);
        let mut read = head.as_chunks().0.iter().map(|bytes| i64::from_le_bytes(*bytes));
        let times = match one {
            1 => Times::All(read.next().ok_or_else(wrong)?),
            _ => Times::Each(read.collect()),
        };
        let value = |place| {
            let bytes = std::array::from_fn(|plane| planes[plane * count + place]);
            f64::from_bits(u64::from_be_bytes(bytes))
        };
        let values = (0..count).map(value).collect();
        Ok(Self { layout, times, values })
    }
}

/// The layouts that readers of the queue know, by the object that holds them.
#[derive(Debug)]
pub struct Layouts(Cache<Layout>);

impl Layouts {
    /// Remembers layouts of about this many series in all.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self(Cache::new(capacity))
    }

    /// The layout in an object.
    ///
    /// # Errors
    /// [`FetchError`] where it is not there, holds no layout, or the object store is away.
    pub(crate) async fn get(&self, objects: &dyn ObjectStore, key: &str) -> Result<Arc<Layout>, FetchError> {
        let load = async {
            let Some(bytes) = objects::get(objects, key).await? else {
                return Err(FetchError::Missing(key.to_owned()));
            };
            let layout =
                Layout::decode(bytes).map_err(|error| Poison::new(format!("layout {key:?} does not read: {error}")))?;
            let series = layout.series.len();
            Ok((Arc::new(layout), series))
        };
        self.0.get_or_load(key, load).await
    }
}
