//! Exemplars of the series that a query selects.

use super::again::ReadError;
use super::{Inner, Reader, may_match};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use parapet_model::{Exemplar, Labels, Matcher};
use parapet_ports::{Error, Kind};
use std::collections::BTreeMap;

impl Reader {
    /// The exemplars in `start_ms..=end_ms` of series that pass every matcher of any set, sorted by labels, those of a
    /// series by time.
    ///
    /// # Errors
    /// As [`Reader::select`]; [`Kind::Invalid`] where there are more exemplars than `max_samples`.
    pub async fn exemplars(
        &self,
        tenant: &str,
        matcher_sets: &[Vec<Matcher>],
        start_ms: i64,
        end_ms: i64,
    ) -> Result<Vec<(Labels, Vec<Exemplar>)>, Error> {
        self.inner
            .again(|| self.inner.exemplars(tenant, matcher_sets, start_ms, end_ms))
            .await
    }
}

impl Inner {
    async fn exemplars(
        &self,
        tenant: &str,
        matcher_sets: &[Vec<Matcher>],
        start_ms: i64,
        end_ms: i64,
    ) -> Result<Vec<(Labels, Vec<Exemplar>)>, ReadError> {
        let mut files = self.files(tenant, start_ms, end_ms).await?;
        files.retain(|file| matcher_sets.iter().any(|matchers| may_match(file, matchers)));
        let mut open = stream::iter(files.iter().map(|entry| self.open(entry)).collect::<Vec<_>>())
            .buffered(self.settings.parallel_requests.max(1));
        let mut by_labels: BTreeMap<Labels, Vec<Exemplar>> = BTreeMap::new();
        let mut count = 0;
        while let Some(file) = open.try_next().await? {
            for matchers in matcher_sets {
                for (labels, exemplars) in file.exemplars(&self.objects, matchers, start_ms, end_ms).await? {
                    let within = |exemplar: &Exemplar| (start_ms..=end_ms).contains(&exemplar.timestamp_ms);
                    let of_series = by_labels.entry(labels).or_default();
                    let before = of_series.len();
                    of_series.extend(exemplars.into_iter().filter(within));
                    count += of_series.len() - before;
                }
            }
            let limit = self.settings.max_samples;
            if limit > 0 && count > limit {
                return Err(Error::new(Kind::Invalid, format!("query would load more than {limit} exemplars")).into());
            }
        }
        by_labels.retain(|_, exemplars| !exemplars.is_empty());
        // Sets may select the same series, and files hold what came again.
        by_labels.values_mut().for_each(Exemplar::merge);
        Ok(by_labels.into_iter().collect())
    }
}
