//! What Athena sees: a symlink manifest per tenant and day.
//!
//! `metrics-manifest/tenant=T/dt=YYYY-MM-DD/manifest` (of logs `logs-manifest/…`) lists the live files, one URL a line, for a table with
//! `SymlinkTextInputFormat`. It is one object and replaced whole: a query sees all of a merge or nothing of it, and
//! the files that it lists outlive it by the grace period.

use super::Compaction;
use crate::day::Day;
use crate::objects;
use object_store::{ObjectStoreExt as _, PutMode, PutOptions, UpdateVersion};
use parapet_ports::Error;

/// A publication that another run was quicker with is tried again this often; the next minute's run is another try.
const MAX_ATTEMPTS: u32 = 4;

impl Compaction {
    /// Publishes the live files of a day; writes nothing where nothing has changed.
    ///
    /// The published object is read before the manifest, and replaced only if it is still the same: of two runs the
    /// one with the older manifest does not have the last word. (A local directory cannot replace conditionally; there
    /// one process runs.)
    pub(super) async fn publish(&self, tenant: &str, day: Day) -> Result<(), Error> {
        let folder = self.dataset.published_prefix();
        let path = objects::path(&format!("{folder}/tenant={tenant}/dt={day}/manifest"));
        for _ in 0..MAX_ATTEMPTS {
            let published = match self.objects.get(&path).await {
                Ok(found) => {
                    let version = UpdateVersion {
                        e_tag: found.meta.e_tag.clone(),
                        version: found.meta.version.clone(),
                    };
                    Some((version, found.bytes().await?))
                }
                Err(object_store::Error::NotFound { .. }) => None,
                Err(error) => return Err(error.into()),
            };
            let files = self.dataset.files(self.table.as_ref(), tenant, day).await?;
            if files.is_empty() {
                if published.is_some() {
                    objects::delete(self.objects.as_ref(), path.as_ref()).await?;
                }
                return Ok(());
            }
            let mut urls: Vec<String> = files
                .iter()
                .map(|file| format!("{}{}\n", self.settings.url_prefix, file.key))
                .collect();
            urls.sort_unstable();
            let text = urls.concat();
            let mode = match published {
                Some((_, bytes)) if bytes == text.as_bytes() => return Ok(()),
                Some((version, _)) => PutMode::Update(version),
                None => PutMode::Create,
            };
            let options = |mode| PutOptions {
                mode,
                ..PutOptions::default()
            };
            match self.objects.put_opts(&path, text.clone().into(), options(mode)).await {
                Ok(_) => return Ok(()),
                Err(object_store::Error::Precondition { .. } | object_store::Error::AlreadyExists { .. }) => {}
                Err(object_store::Error::NotImplemented { .. } | object_store::Error::NotSupported { .. }) => {
                    self.objects
                        .put_opts(&path, text.into(), options(PutMode::Overwrite))
                        .await?;
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}
