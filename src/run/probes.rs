//! The module file of probes: read at the start, and again with the configuration.

use anyhow::Context as _;
use parapet_config::modules::Modules;
use parapet_ports::{Entropy, Secrets};
use parapet_prober::Prober;
use std::path::PathBuf;
use std::sync::Arc;

/// The probes of a process that has a module file.
#[derive(Debug)]
pub(crate) struct Probes {
    path: PathBuf,
    pub(crate) prober: Arc<Prober>,
}

impl Probes {
    pub(crate) fn open(path: PathBuf, secrets: Arc<dyn Secrets>, entropy: Arc<dyn Entropy>) -> anyhow::Result<Self> {
        let prober = Arc::new(Prober::new(read(&path)?, secrets, entropy));
        Ok(Self { path, prober })
    }

    /// Reads the file again. Where anything is wrong the old modules stay.
    pub(crate) fn reload(&self) -> anyhow::Result<()> {
        self.prober.replace(read(&self.path)?);
        Ok(())
    }
}

pub(crate) fn read(path: &std::path::Path) -> anyhow::Result<Modules> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(Modules::parse(&path.display().to_string(), &text)?)
}
