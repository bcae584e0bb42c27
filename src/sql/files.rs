//! Which files are read: those that are live, for a merge leaves what it replaced for a while.

use super::views::{list, text};
use crate::storage::Storage;
use anyhow::Context as _;
use parapet_function_kit::ProcessVars;
use parapet_ports::Vars as _;
use parapet_store::day::Day;
use parapet_store::{Dataset, tenant};
use std::path::{Path, PathBuf};

/// Times that are asked for; both are included.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Window {
    pub(super) start_ms: Option<i64>,
    pub(super) end_ms: Option<i64>,
}

impl Window {
    fn first_day(&self) -> Day {
        self.start_ms.map_or(Day::FIRST_NAMED, Day::of_ms)
    }

    fn last_day(&self) -> Day {
        self.end_ms.map_or(Day::LAST_NAMED, Day::of_ms)
    }

    /// The days that are asked for, as partitions are named.
    pub(super) fn days(&self) -> (String, String) {
        (self.first_day().to_string(), self.last_day().to_string())
    }

    fn overlaps(&self, first_ms: i64, last_ms: i64) -> bool {
        self.start_ms.is_none_or(|start| last_ms >= start) && self.end_ms.is_none_or(|end| first_ms <= end)
    }
}

/// Files of this machine.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Files {
    pub(super) metrics: Vec<String>,
    pub(super) logs: Vec<String>,
    pub(super) ledger: Vec<String>,
}

/// A bucket and how it is reached.
#[derive(Debug)]
pub(super) struct Bucket {
    pub(super) name: String,
    pub(super) tenant: String,
    pub(super) endpoint: Option<url::Url>,
    pub(super) region: Option<String>,
    /// Key, secret and session token of the environment.
    pub(super) credentials: Option<(String, String, Option<String>)>,
}

fn tenant_or_default(tenant: Option<&str>) -> anyhow::Result<String> {
    let tenant = match tenant {
        Some(tenant) => tenant.to_owned(),
        None => ProcessVars
            .get("PARAPET_TENANT")
            .unwrap_or_else(|| tenant::DEFAULT.to_owned()),
    };
    tenant::check(&tenant).context("--tenant")?;
    Ok(tenant)
}

/// The live files of a directory: by the manifest, or where a process runs on it by what that has published.
pub(super) fn local(path: &Path, tenant: Option<&str>, window: Window) -> anyhow::Result<Files> {
    let tenant = tenant_or_default(tenant)?;
    let objects = std::path::absolute(path)?.join("objects");
    let published = DATASETS.map(|dataset| objects.join(dataset.published_prefix()));
    let [metrics, logs] = match Storage::existing(path).and_then(|storage| storage.of(Some(&tenant))) {
        Ok(storage) => by_manifest(&storage, &objects, window)?,
        Err(_) if published.iter().any(|folder| folder.is_dir()) => by_publication(&published, &tenant, window)?,
        Err(error) => return Err(error),
    };
    let ledger = in_days(&objects.join("ledger"), &tenant, window)?;
    Ok(Files {
        metrics: names(metrics),
        logs: names(logs),
        ledger: names(parquet_files(&ledger)?),
    })
}

fn names(paths: Vec<PathBuf>) -> Vec<String> {
    paths.into_iter().map(|path| path.display().to_string()).collect()
}

/// What has files that are listed.
const DATASETS: [Dataset; 2] = [Dataset::Metrics, Dataset::Logs];

fn by_manifest(storage: &Storage, objects: &Path, window: Window) -> anyhow::Result<[Vec<PathBuf>; 2]> {
    let table = storage.ports.table.as_ref();
    let work = async {
        let mut all = [Vec::new(), Vec::new()];
        for (dataset, live) in DATASETS.iter().zip(&mut all) {
            let days = dataset.days(table, &storage.tenant, window.first_day(), window.last_day());
            for day in days.await? {
                for file in dataset.files(table, &storage.tenant, day).await? {
                    if window.overlaps(file.min_ts, file.max_ts) {
                        live.push(objects.join(file.key));
                    }
                }
            }
        }
        Ok::<_, parapet_ports::Error>(all)
    };
    Ok(storage.runtime.block_on(work)?)
}

/// What the compactor lists for Athena, a minute old at most.
#[allow(clippy::print_stderr)]
fn by_publication(folders: &[PathBuf; 2], tenant: &str, window: Window) -> anyhow::Result<[Vec<PathBuf>; 2]> {
    eprintln!("parapet: a process runs on the data; what it stored within the last minute may be missing");
    let mut all = [Vec::new(), Vec::new()];
    for (folder, live) in folders.iter().zip(&mut all) {
        for day in in_days(folder, tenant, window)? {
            let manifest = day.join("manifest");
            match std::fs::read_to_string(&manifest) {
                Ok(text) => live.extend(text.lines().map(PathBuf::from)),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(error).with_context(|| manifest.display().to_string()),
            }
        }
    }
    Ok(all)
}

/// The directories of the days that are asked for.
fn in_days(root: &Path, tenant: &str, window: Window) -> anyhow::Result<Vec<PathBuf>> {
    let (first, last) = window.days();
    let is_asked_for = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let day = name.strip_prefix("dt=").unwrap_or_default();
        (first.as_str()..=last.as_str()).contains(&day)
    };
    let mut days: Vec<PathBuf> = entries(&root.join(format!("tenant={tenant}")))?;
    days.retain(is_asked_for);
    Ok(days)
}

fn parquet_files(directories: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for directory in directories {
        files.extend(entries(directory)?);
    }
    files.retain(|path| path.extension().is_some_and(|extension| extension == "parquet"));
    Ok(files)
}

/// What is in a directory, sorted; nothing where there is none.
fn entries(directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let read = match std::fs::read_dir(directory) {
        Ok(read) => read,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| directory.display().to_string()),
    };
    let mut paths: Vec<PathBuf> = Vec::new();
    for entry in read {
        paths.push(entry?.path());
    }
    paths.sort();
    Ok(paths)
}

/// The live files of a bucket, as the compactor lists them for Athena. `ask` has DuckDB answer with one column.
pub(super) fn of_bucket(
    bucket: &Bucket,
    window: Window,
    ask: impl Fn(&str) -> anyhow::Result<Vec<String>>,
) -> anyhow::Result<Files> {
    let (first, last) = window.days();
    let is_asked_for = |url: &String| {
        let day = url
            .rsplit('/')
            .find_map(|part| part.strip_prefix("dt="))
            .unwrap_or_default();
        (first.as_str()..=last.as_str()).contains(&day)
    };
    let find = |folder: &str, file: &str| -> anyhow::Result<Vec<String>> {
        let pattern = format!("s3://{}/{folder}/tenant={}/dt=*/{file}", bucket.name, bucket.tenant);
        let mut found = ask(&format!("SELECT file FROM glob({}) ORDER BY file", text(&pattern)))?;
        found.retain(is_asked_for);
        Ok(found)
    };
    let published = |dataset: Dataset| -> anyhow::Result<Vec<String>> {
        let manifests = find(dataset.published_prefix(), "manifest")?;
        if manifests.is_empty() {
            return Ok(manifests);
        }
        let contents = ask(&format!("SELECT content FROM read_text({})", list(&manifests)))?;
        Ok(contents
            .iter()
            .flat_map(|content| content.lines())
            .map(str::to_owned)
            .collect())
    };
    Ok(Files {
        metrics: published(Dataset::Metrics)?,
        logs: published(Dataset::Logs)?,
        ledger: find("ledger", "*.parquet")?,
    })
}

/// A bucket with what the environment says of it: DuckDB itself reads the published manifests.
pub(super) fn bucket(name: &str, tenant: Option<&str>, endpoint: Option<&str>) -> anyhow::Result<Bucket> {
    let name = name.trim_start_matches("s3://").trim_end_matches('/').to_owned();
    let endpoint = match endpoint {
        Some(url) => Some(url::Url::parse(url).context("--aws-endpoint-url is no URL, such as http://127.0.0.1:4566")?),
        None => None,
    };
    let var = |name: &str| ProcessVars.get(name);
    let keys = var("AWS_ACCESS_KEY_ID").zip(var("AWS_SECRET_ACCESS_KEY"));
    Ok(Bucket {
        name,
        tenant: tenant_or_default(tenant)?,
        region: var("AWS_REGION").or_else(|| var("AWS_DEFAULT_REGION")),
        credentials: keys.map(|(key, secret)| (key, secret, var("AWS_SESSION_TOKEN"))),
        endpoint,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_read_by_what_is_published_of_the_days_asked_for() {
        let bucket = Bucket {
            name: "b".to_owned(),
            tenant: "t".to_owned(),
            endpoint: None,
            region: None,
            credentials: None,
        };
        let window = Window {
            start_ms: Some(1_767_571_200_000),
            end_ms: None,
        };
        let ask = |sql: &str| {
            let texts = |texts: &[&str]| Ok(texts.iter().map(|text| (*text).to_owned()).collect());
            if sql.contains("logs-manifest") {
                texts(&[])
            } else if sql.contains("ledger") {
                texts(&["s3://b/ledger/tenant=t/dt=2026-01-04/x.parquet"])
            } else if sql.starts_with("SELECT file") {
                assert!(
                    sql.contains("'s3://b/metrics-manifest/tenant=t/dt=*/manifest'"),
                    "{sql}"
                );
                let of = |day: &str| format!("s3://b/metrics-manifest/tenant=t/dt={day}/manifest");
                texts(&[&of("2026-01-04"), &of("2026-01-05")])
            } else {
                let want = "SELECT content FROM read_text(['s3://b/metrics-manifest/tenant=t/dt=2026-01-05/manifest'])";
                assert_eq!(sql, want);
                texts(&["s3://b/metrics/1.parquet\ns3://b/metrics/2.parquet\n"])
            }
        };
        let files = of_bucket(&bucket, window, ask).unwrap();
        assert_eq!(files.metrics, ["s3://b/metrics/1.parquet", "s3://b/metrics/2.parquet"]);
        assert!(files.ledger.is_empty());
    }

    #[test]
    fn windows_include_their_ends() {
        let window = Window {
            start_ms: Some(10),
            end_ms: Some(20),
        };
        for (first, last, want) in [
            (0, 9, false),
            (0, 10, true),
            (12, 13, true),
            (20, 30, true),
            (21, 30, false),
        ] {
            assert_eq!(window.overlaps(first, last), want, "{first} {last}");
        }
        assert!(Window::default().overlaps(i64::MIN, i64::MIN));
    }
}
