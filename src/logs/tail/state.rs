//! The state file: how far each file was shipped, and what is on its way.

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// How far a file was shipped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    pub(super) device: u64,
    pub(super) inode: u64,
    /// The bytes that were taken.
    pub(super) offset: u64,
    /// A hash of the file's first bytes, and of how many: whether it is still the same.
    pub(super) begin: (u64, u64),
    /// What is on its way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sending: Option<Sending>,
}

/// A piece that was sent perhaps, and taken perhaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sending {
    /// Where it ends.
    pub(super) end: u64,
    /// The time of its first line.
    pub(super) time_ns: i64,
}

/// The positions of all files, and where they are kept.
#[derive(Debug)]
pub(super) struct State {
    file: PathBuf,
    positions: BTreeMap<PathBuf, Position>,
}

impl State {
    /// Reads a state file; one that is not there has no positions.
    pub(super) fn open(file: &Path) -> anyhow::Result<Self> {
        let positions = match std::fs::read(file) {
            Ok(bytes) => serde_json::from_slice(&bytes).with_context(|| {
                format!(
                    "{} is no state file; name another by --state, or delete it to begin anew",
                    file.display()
                )
            })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(error).with_context(|| format!("--state {}", file.display())),
        };
        Ok(Self {
            file: file.to_owned(),
            positions,
        })
    }

    pub(super) fn get(&self, path: &Path) -> Option<&Position> {
        self.positions.get(path)
    }

    /// Writes a position down: when this answers, it survives.
    pub(super) fn set(&mut self, path: &Path, position: &Position) -> anyhow::Result<()> {
        self.positions.insert(path.to_owned(), position.clone());
        let write = || -> std::io::Result<()> {
            let mut name = self.file.clone().into_os_string();
            name.push(".new");
            let mut new = File::create(&name)?;
            new.write_all(&serde_json::to_vec_pretty(&self.positions)?)?;
            new.sync_all()?;
            std::fs::rename(&name, &self.file)
        };
        write().with_context(|| format!("cannot write --state {}", self.file.display()))
    }
}
