//! Stored series for rules' queries.

use parapet_model::{Matcher, Run, Series, Windows};
use parapet_rules::Source;
use parapet_store::Reader;
use std::sync::Arc;
use tokio::runtime::Handle;

/// The store as rules see it, from a thread that may block.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) reader: Arc<Reader>,
    pub(crate) runtime: Handle,
    pub(crate) tenant: String,
}

impl Source for Stored {
    fn select(&mut self, matchers: &[Matcher], start_ms: i64, end_ms: i64) -> Result<Vec<Series>, String> {
        let select = self.reader.select(&self.tenant, matchers, start_ms, end_ms);
        self.runtime.block_on(select).map_err(|error| error.chain())
    }

    fn select_runs(
        &mut self,
        matchers: &[Matcher],
        start_ms: i64,
        end_ms: i64,
        windows: &Windows,
    ) -> Result<(Vec<Series>, Vec<Vec<Run>>), String> {
        let select = self
            .reader
            .select_runs(&self.tenant, matchers, start_ms, end_ms, windows);
        let read = self.runtime.block_on(select).map_err(|error| error.chain())?;
        Ok((read.series, read.runs))
    }
}
