//! [`Files`] of the machine and of the bucket.

use futures::TryStreamExt as _;
use object_store::{ObjectStoreExt as _, path::Path};
use parapet_ports::{Error, Files, Kind, Objects, SourceFile, matches_pattern};

/// No such file is longer.
const MAX_FILE_BYTES: u64 = 64 << 20;

/// Files of the machine.
#[derive(Clone, Copy, Debug)]
pub struct MachineFiles;

#[async_trait::async_trait]
impl Files for MachineFiles {
    async fn matching(&self, pattern: &str) -> Result<Vec<SourceFile>, Error> {
        let directory = match std::path::Path::new(pattern).parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => std::path::PathBuf::from("."),
        };
        let failed = |path: &str, error: std::io::Error| {
            Error::new(Kind::Unavailable, format!("cannot read {path}")).with_source(error)
        };
        let mut listing = match tokio::fs::read_dir(&directory).await {
            Ok(listing) => listing,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(&directory.to_string_lossy(), error)),
        };
        let mut files = Vec::new();
        while let Some(entry) = listing.next_entry().await.map_err(|error| failed(pattern, error))? {
            let bare = !pattern.contains('/');
            let found = if bare { entry.file_name().into() } else { entry.path() };
            let path = found.to_string_lossy().into_owned();
            if !matches_pattern(pattern, &path) {
                continue;
            }
            let length = entry.metadata().await.map_err(|error| failed(&path, error))?.len();
            if length > MAX_FILE_BYTES {
                return Err(Error::new(
                    Kind::Invalid,
                    format!("{path} is over {MAX_FILE_BYTES} bytes"),
                ));
            }
            let text = tokio::fs::read_to_string(&path).await;
            let text = text.map_err(|error| failed(&path, error))?;
            files.push(SourceFile { path, text });
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(files)
    }
}

/// Objects of the bucket beside the configuration.
#[derive(Clone, Debug)]
pub struct BucketFiles(pub Objects);

#[async_trait::async_trait]
impl Files for BucketFiles {
    async fn matching(&self, pattern: &str) -> Result<Vec<SourceFile>, Error> {
        let directory = pattern.rsplit_once('/').map_or("", |(directory, _)| directory);
        let listing: Vec<_> = self.0.list(Some(&Path::from(directory))).try_collect().await?;
        let mut files = Vec::new();
        for meta in listing {
            let path = meta.location.to_string();
            if !matches_pattern(pattern, &path) {
                continue;
            }
            if meta.size > MAX_FILE_BYTES {
                return Err(Error::new(
                    Kind::Invalid,
                    format!("{path} is over {MAX_FILE_BYTES} bytes"),
                ));
            }
            let bytes = self.0.get(&meta.location).await?.bytes().await?;
            let text = String::from_utf8(bytes.to_vec())
                .map_err(|error| Error::new(Kind::Invalid, format!("{path} is not UTF-8")).with_source(error))?;
            files.push(SourceFile { path, text });
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(files)
    }
}
