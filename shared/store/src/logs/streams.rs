//! Which streams there are, and how much of each: from footers alone, where they tell.

use super::LogReader;
use super::open_file::LogFile;
use super::reader::{corrupt, within};
use crate::reader::again::{ReadError, again};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use parapet_log_segment::{Origin, Part, Projection};
use parapet_model::{Labels, Matcher};
use parapet_ports::Error;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// What a file has of an origin in a range of time, about.
#[derive(Clone, Debug, PartialEq)]
pub struct Volume {
    /// The origin.
    pub origin: Origin,
    /// What each block has of it.
    pub parts: Vec<Part>,
}

impl LogReader {
    /// The labels of the streams that have records in a range of time and match one of the sets of matchers (all of
    /// them, where there is no set). A record whose stream has no `service_name` brings its service under that name.
    ///
    /// # Errors
    /// As [`Self::search`].
    pub async fn streams(
        &self,
        tenant: &str,
        start_ns: i64,
        end_ns: i64,
        sets: &[Vec<Matcher>],
    ) -> Result<BTreeSet<Labels>, Error> {
        let mut origins = again(|key| self.forget(key), || self.origins(tenant, start_ns, end_ns)).await?;
        origins.retain(|origin| sets.is_empty() || sets.iter().any(|set| origin.may_match(set)));
        Ok(origins.iter().map(Origin::labels).collect())
    }

    async fn origins(&self, tenant: &str, start_ns: i64, end_ns: i64) -> Result<BTreeSet<Origin>, ReadError> {
        let bytes_read = &AtomicU64::new(0);
        let mut origins = BTreeSet::new();
        for file in self.open_all(tenant, start_ns, end_ns, bytes_read).await? {
            for block in within(&file.footer, start_ns, end_ns) {
                match file.footer.origins(block) {
                    Some(of_block) => origins.extend(of_block.cloned()),
                    None => origins.extend(self.counted(&file, block, bytes_read).await?.into_keys()),
                }
            }
        }
        Ok(origins)
    }

    /// How much there is of each origin that matches, in a range of time: an estimate, for lines are not read. What a
    /// record alone can tell (its level) is taken to match. Of an origin there may be several.
    ///
    /// # Errors
    /// As [`Self::search`].
    pub async fn volumes(
        &self,
        tenant: &str,
        start_ns: i64,
        end_ns: i64,
        matchers: &[Matcher],
    ) -> Result<Vec<Volume>, Error> {
        again(
            |key| self.forget(key),
            || self.volumes_once(tenant, start_ns, end_ns, matchers),
        )
        .await
    }

    async fn volumes_once(
        &self,
        tenant: &str,
        start_ns: i64,
        end_ns: i64,
        matchers: &[Matcher],
    ) -> Result<Vec<Volume>, ReadError> {
        let bytes_read = &AtomicU64::new(0);
        let wanted = |origin: &Origin| origin.may_match(matchers);
        let mut volumes = Vec::new();
        let mut add = |origin: &Origin, parts: Vec<Part>| {
            let parts = parts.into_iter().filter_map(|part| part.within(start_ns, end_ns));
            let parts: Vec<Part> = parts.collect();
            if !parts.is_empty() {
                volumes.push(Volume {
                    origin: origin.clone(),
                    parts,
                });
            }
        };
        for file in self.open_all(tenant, start_ns, end_ns, bytes_read).await? {
            if let Some(origins) = file.footer.parts(&wanted) {
                origins.into_iter().for_each(|(origin, parts)| add(origin, parts));
                continue;
            }
            for block in within(&file.footer, start_ns, end_ns) {
                let counted = self.counted(&file, block, bytes_read).await?;
                for (origin, records) in counted.iter().filter(|(origin, _)| wanted(origin)) {
                    add(origin, vec![file.footer.part(block, *records)]);
                }
            }
        }
        Ok(volumes)
    }

    async fn open_all(
        &self,
        tenant: &str,
        start_ns: i64,
        end_ns: i64,
        bytes_read: &AtomicU64,
    ) -> Result<Vec<Arc<LogFile>>, ReadError> {
        let files = self.files(tenant, start_ns, end_ns).await?;
        let opened = stream::iter(files)
            .map(|entry| async move { self.open(&entry, bytes_read).await })
            .buffered(self.inner.settings.parallel_requests.max(1));
        opened.try_collect().await
    }

    /// The records of each origin of a block: read from its rows, where the file has too many origins to tell.
    async fn counted(
        &self,
        file: &Arc<LogFile>,
        block: usize,
        bytes_read: &AtomicU64,
    ) -> Result<BTreeMap<Origin, u64>, ReadError> {
        let projection = Projection {
            origin: true,
            stream: true,
            ..super::Columns::NONE.into()
        };
        let mut rows = self.read_block(file, block, projection, bytes_read).await?;
        let mut origins = BTreeMap::new();
        for row in 0..rows.len() {
            let record = rows.record(row).map_err(|error| corrupt(&file.key, error))?;
            let origin = Origin {
                stream: record.stream,
                service: record.service.into(),
                host: record.host.into(),
            };
            *origins.entry(origin).or_default() += 1;
        }
        Ok(origins)
    }

    /// The names of the labels of [`Self::streams`].
    ///
    /// # Errors
    /// As [`Self::search`].
    pub async fn label_names(
        &self,
        tenant: &str,
        start_ns: i64,
        end_ns: i64,
        sets: &[Vec<Matcher>],
    ) -> Result<BTreeSet<String>, Error> {
        let streams = self.streams(tenant, start_ns, end_ns, sets).await?;
        let names = streams
            .iter()
            .flat_map(|stream| stream.iter().map(|(name, _)| name.to_owned()));
        Ok(names.collect())
    }

    /// The values that a label has in [`Self::streams`].
    ///
    /// # Errors
    /// As [`Self::search`].
    pub async fn label_values(
        &self,
        tenant: &str,
        name: &str,
        start_ns: i64,
        end_ns: i64,
        sets: &[Vec<Matcher>],
    ) -> Result<BTreeSet<String>, Error> {
        let streams = self.streams(tenant, start_ns, end_ns, sets).await?;
        Ok(streams
            .iter()
            .filter_map(|stream| stream.get(name))
            .map(str::to_owned)
            .collect())
    }
}
