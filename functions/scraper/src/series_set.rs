//! The series of a target's last scrape: an object in the bucket, read only when something changed.

use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, PutMode, PutOptions};
use parapet_model::{BatchSeries, Labels, Sample};
use parapet_ports::{Error, Kind};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The longest set that is read back, decompressed.
const MAX_DECODED_BYTES: usize = 1 << 30;

/// Series by label set; `true` where their disappearance is marked.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct SeriesSet {
    /// Labels and kind, without samples.
    pub(crate) series: Vec<(BatchSeries, bool)>,
}

/// The identity of a set's content, from its series' ids, whatever their order: equal hashes need no reading of the
/// object.
pub(crate) fn content_hash(series: impl Iterator<Item = (i64, bool)>) -> u64 {
    let mut ids: Vec<u64> = series
        .map(|(id, tracked)| if tracked { id } else { !id }.cast_unsigned())
        .collect();
    ids.sort_unstable();
    let mut hasher = xxhash_rust::xxh3::Xxh3::new();
    for id in ids {
        hasher.update(&id.to_le_bytes());
    }
    hasher.digest()
}

impl SeriesSet {
    /// The set of these series; their samples are left out.
    pub(crate) fn of<'a>(series: impl Iterator<Item = (&'a BatchSeries, bool)>) -> Self {
        let bare = |(series, tracked): (&BatchSeries, bool)| {
            let bare = BatchSeries {
                labels: series.labels.clone(),
                kind: series.kind,
                samples: Vec::new(),
                exemplars: Vec::new(),
            };
            (bare, tracked)
        };
        Self {
            series: series.map(bare).collect(),
        }
    }

    /// What the table's item calls it. The slot is part of the name: a set that comes back after a change is a new
    /// object, so that the old one can be removed without looking.
    pub(crate) fn name(identity: u64, timestamp_ms: i64, content: u64) -> String {
        format!("{identity:016x}-{timestamp_ms}-{content:016x}")
    }

    pub(crate) fn labels(&self) -> impl Iterator<Item = (&Labels, bool)> {
        self.series.iter().map(|(series, tracked)| (&series.labels, *tracked))
    }

    pub(crate) fn content_hash(&self) -> u64 {
        content_hash(self.labels().map(|(labels, tracked)| (labels.series_id(), tracked)))
    }

    fn encode(&self) -> Result<Vec<u8>, Error> {
        // The wire form of samples holds labels and kinds; whether a series is tracked is its one sample's value.
        let series: Vec<BatchSeries> = self
            .series
            .iter()
            .map(|(series, tracked)| BatchSeries {
                labels: series.labels.clone(),
                kind: series.kind,
                samples: vec![Sample::float(0, f64::from(u8::from(*tracked)))],
                exemplars: Vec::new(),
            })
            .collect();
        let plain = parapet_remote_write::encode_v2(&series);
        zstd::bulk::compress(&plain, 1)
            .map_err(|error| Error::new(Kind::Internal, "series set does not compress").with_source(error))
    }

    fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let corrupt = || Error::new(Kind::Corrupt, "series set does not read");
        let plain = zstd::bulk::decompress(
            bytes,
            zstd::zstd_safe::get_frame_content_size(bytes)
                .ok()
                .flatten()
                .and_then(|size| usize::try_from(size).ok())
                .filter(|size| *size <= MAX_DECODED_BYTES)
                .ok_or_else(corrupt)?,
        )
        .map_err(|error| corrupt().with_source(error))?;
        let series = parapet_remote_write::decode_v2(&plain).map_err(|error| corrupt().with_source(error))?;
        Ok(Self {
            series: series
                .into_iter()
                .map(|mut series| {
                    let tracked = series.samples.first() == Some(&Sample::float(0, 1.0));
                    series.samples.clear();
                    (series, tracked)
                })
                .collect(),
        })
    }
}

/// Reads and writes sets, and remembers some.
#[derive(Debug)]
pub(crate) struct SeriesSets {
    objects: parapet_ports::Objects,
    cache: Mutex<Cache>,
    capacity: usize,
}

#[derive(Debug, Default)]
struct Cache {
    sets: HashMap<String, Arc<SeriesSet>>,
    series: usize,
}

impl SeriesSets {
    pub(crate) fn new(objects: parapet_ports::Objects, capacity: usize) -> Self {
        Self {
            objects,
            cache: Mutex::default(),
            capacity,
        }
    }

    /// Puts a set; one of this name is the same.
    pub(crate) async fn put(&self, name: String, set: SeriesSet, remember: bool) -> Result<(), Error> {
        put_once(self.objects.as_ref(), &path(&name), set.encode()?).await?;
        if remember {
            self.remember(&name, Arc::new(set));
        }
        Ok(())
    }

    /// A set; an empty one where the object is gone, which loses its markers and nothing else.
    pub(crate) async fn get(&self, name: &str) -> Result<Arc<SeriesSet>, Error> {
        if let Some(set) = self.lock().sets.get(name) {
            return Ok(set.clone());
        }
        let found = match self.objects.get(&path(name)).await {
            Ok(found) => found.bytes().await?,
            Err(object_store::Error::NotFound { .. }) => {
                tracing::warn!(name, "series set is missing: series that ended are not marked");
                return Ok(Arc::default());
            }
            Err(error) => return Err(error.into()),
        };
        let set = match SeriesSet::decode(&found) {
            Ok(set) => Arc::new(set),
            Err(error) => {
                tracing::error!(
                    name,
                    error = error.chain(),
                    "series set is corrupt: series that ended are not marked"
                );
                return Ok(Arc::default());
            }
        };
        self.remember(name, set.clone());
        Ok(set)
    }

    /// Removes a set that no item names any more; a failure leaves litter, no harm.
    pub(crate) async fn remove(&self, name: &str) {
        {
            let mut cache = self.lock();
            if let Some(set) = cache.sets.remove(name) {
                cache.series -= set.series.len();
            }
        }
        if let Err(error) = self.objects.delete(&path(name)).await {
            tracing::debug!(name, %error, "series set not removed");
        }
    }

    fn remember(&self, name: &str, set: Arc<SeriesSet>) {
        let mut cache = self.lock();
        if cache.series + set.series.len() > self.capacity {
            *cache = Cache::default();
        }
        if set.series.len() <= self.capacity {
            cache.series += set.series.len();
            if let Some(old) = cache.sets.insert(name.to_owned(), set) {
                cache.series -= old.series.len();
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn path(name: &str) -> Path {
    Path::from(format!("state/series-sets/{name}"))
}

/// Puts an object that is named from its content.
pub(crate) async fn put_once(objects: &dyn ObjectStore, path: &Path, bytes: Vec<u8>) -> Result<(), Error> {
    let options = PutOptions::from(PutMode::Create);
    match objects.put_opts(path, bytes.into(), options).await {
        Ok(_) | Err(object_store::Error::AlreadyExists { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parapet_model::MetricType;

    fn set(names: &[&str]) -> SeriesSet {
        SeriesSet {
            series: names
                .iter()
                .enumerate()
                .map(|(index, name)| {
                    let series = BatchSeries {
                        labels: Labels::from_pairs([("__name__", *name)]),
                        kind: MetricType::Counter,
                        samples: vec![],
                        exemplars: Vec::new(),
                    };
                    (series, index % 2 == 0)
                })
                .collect(),
        }
    }

    #[test]
    fn reads_what_it_wrote() {
        for names in [&[][..], &["a"], &["a", "b", "c"]] {
            assert_eq!(SeriesSet::decode(&set(names).encode().unwrap()).unwrap(), set(names));
        }
        assert!(SeriesSet::decode(b"rubbish").is_err());
    }

    #[test]
    fn content_hash_knows_order_from_content() {
        let hash = SeriesSet::content_hash;
        let (abc, mut cba) = (set(&["a", "b", "c"]), set(&["a", "b", "c"]));
        cba.series.reverse();
        assert_eq!(hash(&abc), hash(&cba));
        cba.series[0].1 = false;
        assert_ne!(hash(&abc), hash(&cba));
        assert_ne!(hash(&abc), hash(&set(&["a", "b"])));
    }
}
