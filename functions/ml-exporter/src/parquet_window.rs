//! Windows of features from Parquet objects: row groups are streamed, and no more is fetched than the columns that count.

use crate::Settings;
use crate::problems::Problems;
use crate::registry::list;
use bytes::Bytes;
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use parapet_ml::{Collector, DriftCheck, FileError, ObjectInfo, Reason, TableFile, TimeRange, Window};
use parapet_ports::{Error, Kind, Objects};
use parapet_segment::{Source, coalesce};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// Ranges closer than this are fetched as one.
const GAP_BYTES: u64 = 64 * 1024;

/// Which objects, and which of their rows.
pub(crate) struct Extent<'a> {
    pub(crate) prefix: &'a str,
    /// From when to when; all of it where it is `None`.
    pub(crate) range: Option<Range<i64>>,
    /// The column of rows' times; without it the objects' count.
    pub(crate) timestamp_column: Option<&'a str>,
}

/// Why a file gives no rows, or no more.
enum Fault {
    File(String),
    /// The window as a whole is over a limit.
    Limit(String),
    Port(Error),
}

impl From<FileError> for Fault {
    fn from(error: FileError) -> Self {
        Self::File(error.0)
    }
}

impl From<object_store::Error> for Fault {
    fn from(error: object_store::Error) -> Self {
        match error {
            object_store::Error::NotFound { .. } => Self::File("gone since it was listed".to_owned()),
            error => Self::Port(error.into()),
        }
    }
}

/// The windows of a check's features; `None` where a limit keeps them from being read whole.
pub(crate) async fn read(
    objects: &Objects,
    settings: &Settings,
    check: &DriftCheck,
    extent: &Extent<'_>,
    problems: &mut Problems,
) -> Result<Option<BTreeMap<String, Window>>, Error> {
    let mut exclude = check.exclude.clone();
    exclude.extend(extent.timestamp_column.map(str::to_owned));
    let collector = Collector::new(
        check.features.clone(),
        exclude,
        settings.max_values,
        settings.max_categories,
    );
    let mut reading = Reading {
        objects,
        settings,
        extent,
        collector: Arc::new(Mutex::new(collector)),
        bytes_left: settings.max_read_bytes,
    };
    for file in files(objects, settings, extent, problems).await? {
        match reading.file(&file).await {
            Ok(()) => {}
            Err(Fault::File(fault)) => problems.note(Reason::Parquet, format!("{}: {fault}", file.path)),
            Err(Fault::Limit(fault)) => {
                problems.note(Reason::Limit, format!("{}: {fault}", extent.prefix));
                return Ok(None);
            }
            Err(Fault::Port(error)) => return Err(error),
        }
    }
    let collector =
        Arc::into_inner(reading.collector).ok_or_else(|| Error::new(Kind::Internal, "a window is still being read"))?;
    let collector = collector.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(Some(collector.finish()))
}

/// The Parquet objects that may have rows of the window, in order of key.
async fn files(
    objects: &Objects,
    settings: &Settings,
    extent: &Extent<'_>,
    problems: &mut Problems,
) -> Result<Vec<ObjectInfo>, Error> {
    let mut found = list(objects, extent.prefix, settings.max_objects, problems).await?;
    if found.is_empty() {
        // The prefix may be an object's whole key.
        match objects.head(&Path::from(extent.prefix)).await {
            Ok(meta) => found.push(crate::registry::info(meta)),
            Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    found.retain(|object| {
        let name = object.path.rsplit('/').next().unwrap_or_default();
        let is_table = [".parquet", ".parq", ".pq"].iter().any(|ending| name.ends_with(ending));
        // Rows are not written before they happen: an object that is older than the window has none of it.
        let is_within = extent.range.as_ref().is_none_or(|range| {
            let is_new = object.modified_ms >= range.start;
            is_new && (extent.timestamp_column.is_some() || object.modified_ms < range.end)
        });
        is_table && is_within && !name.starts_with(['_', '.'])
    });
    Ok(found)
}

struct Reading<'a> {
    objects: &'a Objects,
    settings: &'a Settings,
    extent: &'a Extent<'a>,
    collector: Arc<Mutex<Collector>>,
    bytes_left: u64,
}

impl Reading<'_> {
    async fn file(&mut self, object: &ObjectInfo) -> Result<(), Fault> {
        let file = Arc::new(self.open(object).await?);
        let times = match (&self.extent.range, self.extent.timestamp_column) {
            (Some(range), Some(column)) => {
                let place = file.column(column);
                let place = place.ok_or_else(|| Fault::File(format!("has no timestamp_column {column}")))?;
                let range = TimeRange {
                    column: column.to_owned(),
                    start_ms: range.start,
                    end_ms: range.end,
                };
                Some((place, range))
            }
            _ => None,
        };
        let columns = self.lock().columns(&file)?;
        for group in 0..file.row_groups() {
            let mut keep = None;
            if let Some((place, range)) = &times {
                if !file.overlaps(group, *place, range) {
                    continue;
                }
                let source = self.fetch(object, &file, group, &[*place]).await?;
                let (file, place, range, limits) = (file.clone(), *place, range.clone(), self.settings.file);
                let rows = blocking(move || file.rows_in(group, place, &source, &range, &limits)).await?;
                if !rows.contains(&true) {
                    continue;
                }
                keep = Some(rows);
            }
            self.group(object, &file, group, &columns, keep.map(Arc::new)).await?;
        }
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Collector> {
        self.collector.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn open(&mut self, object: &ObjectInfo) -> Result<TableFile, Fault> {
        let (size, path) = (object.size_bytes, Path::from(object.path.as_str()));
        let tail_range = TableFile::tail(size);
        if tail_range.is_empty() {
            return Err(Fault::File("is empty".to_owned()));
        }
        let tail = self.objects.get_range(&path, tail_range.clone()).await?;
        let footer = TableFile::footer(size, &tail, &self.settings.file)?;
        let bytes: Bytes = match footer.start.checked_sub(tail_range.start) {
            Some(skip) => {
                let skip = usize::try_from(skip).unwrap_or(usize::MAX).min(tail.len());
                let end = skip + usize::try_from(footer.end - footer.start).unwrap_or(0);
                tail.slice(skip..end.min(tail.len()))
            }
            None => self.objects.get_range(&path, footer).await?,
        };
        blocking(move || TableFile::open(size, &bytes)).await
    }

    /// Takes the columns of a row group, as many at once as one of them may be large.
    async fn group(
        &mut self,
        object: &ObjectInfo,
        file: &Arc<TableFile>,
        group: usize,
        columns: &[usize],
        keep: Option<Arc<Vec<bool>>>,
    ) -> Result<(), Fault> {
        let limits = self.settings.file;
        let mut portion = Vec::new();
        let mut portion_bytes = 0;
        for (number, column) in columns.iter().enumerate() {
            let range = file.range(group, *column, &limits)?;
            portion.push(*column);
            portion_bytes += range.end - range.start;
            let next = columns.get(number + 1);
            let next_bytes = match next {
                Some(next) => {
                    let range = file.range(group, *next, &limits)?;
                    range.end - range.start
                }
                None => 0,
            };
            if next.is_some() && portion_bytes + next_bytes <= limits.max_chunk_bytes {
                continue;
            }
            let portion = std::mem::take(&mut portion);
            portion_bytes = 0;
            let source = self.fetch(object, file, group, &portion).await?;
            let (file, keep, collector) = (file.clone(), keep.clone(), self.collector.clone());
            // The decoder has an answer to every file that is whole; one that was made to break it ends here.
            blocking(move || {
                let mut collector = collector.lock().unwrap_or_else(PoisonError::into_inner);
                let keep = keep.as_ref().map(|rows| rows.as_slice());
                collector.take(&file, group, &portion, &source, keep, &limits)
            })
            .await?;
        }
        Ok(())
    }

    async fn fetch(
        &mut self,
        object: &ObjectInfo,
        file: &TableFile,
        group: usize,
        columns: &[usize],
    ) -> Result<Source, Fault> {
        let ranges = columns
            .iter()
            .map(|column| file.range(group, *column, &self.settings.file));
        let ranges = coalesce(ranges.collect::<Result<Vec<_>, _>>()?, GAP_BYTES);
        let bytes: u64 = ranges.iter().map(|range| range.end - range.start).sum();
        self.bytes_left = self.bytes_left.checked_sub(bytes).ok_or_else(|| {
            let limit = self.settings.max_read_bytes;
            Fault::Limit(format!(
                "a window of more than {limit} bytes; shorten it, or name its features"
            ))
        })?;
        if ranges.is_empty() {
            return Ok(Source::parts(object.size_bytes, Vec::new()));
        }
        let parts = self
            .objects
            .get_ranges(&Path::from(object.path.as_str()), &ranges)
            .await?;
        let parts = ranges.iter().map(|range| range.start).zip(parts).collect();
        Ok(Source::parts(object.size_bytes, parts))
    }
}

/// Decodes off the threads that wait; a decoder that panics has met a file that is broken.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, FileError> + Send + 'static) -> Result<T, Fault> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => Ok(result?),
        Err(error) if error.is_panic() => Err(Fault::File("broken in a way that the decoder does not know".to_owned())),
        Err(error) => {
            let error = Error::new(Kind::Internal, "a worker thread failed").with_source(error);
            Err(Fault::Port(error))
        }
    }
}
