//! Where commands find data: the storage of this machine, where no process runs on it, or a server.

use crate::query::client::Manner;
use anyhow::Context as _;
use clap::Args;
use parapet_adapter_local::{Local, LocalSettings};
use parapet_function_kit::{ProcessVars, ReqwestHttp, SystemClock, SystemEntropy};
use parapet_ports::{ConfigFiles, FixedConfig, Ports, Vars as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::runtime::Runtime;
use url::Url;

/// Where data is.
#[derive(Debug, Args)]
pub(crate) struct Origin {
    /// The directory that holds the data
    #[arg(long = "storage.path", value_name = "DIR", default_value = "data")]
    pub(crate) storage_path: PathBuf,
    /// Ask this server for the data instead
    #[arg(long, value_name = "URL", conflicts_with = "storage_path")]
    pub(crate) server: Option<Url>,
    #[command(flatten)]
    pub(crate) manner: Manner,
}

/// An open directory of data.
pub(crate) struct Storage {
    pub(crate) runtime: Runtime,
    pub(crate) ports: Ports,
    /// Whose data is read.
    pub(crate) tenant: String,
}

impl Storage {
    /// Opens the directory that `--storage.path` names.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        if !path.is_dir() {
            anyhow::bail!(
                "there is no data in {}; name its directory by --storage.path",
                path.display()
            );
        }
        Self::attach(path).with_context(|| {
            format!(
                "cannot open {}; where a process runs on it, ask that by --server",
                path.display()
            )
        })
    }

    /// Opens the directory for writing, making it where it does not exist.
    pub(crate) fn create(path: &Path, tenant: Option<&str>) -> anyhow::Result<Self> {
        let storage = Self::attach(path)?;
        storage.of(tenant)
    }

    /// The same, of the tenant that the command line names.
    pub(crate) fn of(mut self, tenant: Option<&str>) -> anyhow::Result<Self> {
        if let Some(tenant) = tenant {
            parapet_store::tenant::check(tenant).context("--tenant")?;
            tenant.clone_into(&mut self.tenant);
        }
        Ok(self)
    }

    fn attach(path: &Path) -> anyhow::Result<Self> {
        let local = Local::open(path, Arc::new(SystemClock), &LocalSettings::default())?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        let ports = Ports {
            objects: local.objects,
            queues: local.queues,
            table: local.table,
            http: Arc::new(ReqwestHttp::new()?),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            config: Arc::new(FixedConfig(Arc::new(ConfigFiles::default()))),
        };
        Ok(Self {
            runtime,
            ports,
            tenant: ProcessVars
                .get("PARAPET_TENANT")
                .unwrap_or_else(|| "default".to_owned()),
        })
    }
}

/// What the compactor writes before objects' keys in the manifests that it publishes for SQL.
pub(crate) fn published_prefix(storage_path: &Path) -> std::io::Result<String> {
    Ok(format!("{}/objects/", std::path::absolute(storage_path)?.display()))
}
