//! The storage of this machine, for commands that read what a process that is not running has left.

use anyhow::Context as _;
use parapet_adapter_local::{Local, LocalSettings};
use parapet_function_kit::{ProcessVars, ReqwestHttp, SystemClock, SystemEntropy};
use parapet_ports::{ConfigFiles, FixedConfig, Ports, Vars as _};
use std::path::Path;
use std::sync::Arc;
use tokio::runtime::Runtime;

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
        let local = Local::open(path, Arc::new(SystemClock), &LocalSettings::default()).with_context(|| {
            format!(
                "cannot open {}; where a process runs on it, ask that by --server",
                path.display()
            )
        })?;
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
