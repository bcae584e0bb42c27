//! Stored series for rules' queries.

use parapet_logs::logql::{Answer, Expr, Parameters};
use parapet_model::{Matcher, Run, Series, Value, Windows};
use parapet_promql::{QueryValue, VectorSample};
use parapet_rules::Source;
use parapet_store::Reader;
use parapet_store::logs::LogReader;
use std::sync::Arc;
use tokio::runtime::Handle;

/// The store as rules see it, from a thread that may block.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) reader: Arc<Reader>,
    pub(crate) log_reader: LogReader,
    pub(crate) max_samples: usize,
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

    fn logs(&mut self, expr: &Expr, at_ms: i64) -> Result<QueryValue, String> {
        let at_ns = at_ms.saturating_mul(1_000_000);
        let parameters = Parameters {
            start_ns: at_ns,
            end_ns: at_ns,
            now_ns: at_ns,
            max_samples: self.max_samples,
            ..Parameters::default()
        };
        let answer = self.log_reader.answer(&self.tenant, expr, parameters, &|| true);
        let (answer, _) = self.runtime.block_on(answer).map_err(|error| error.to_string())?;
        Ok(match answer {
            Answer::Scalar(value) => QueryValue::Scalar {
                timestamp_ms: at_ms,
                value,
            },
            Answer::Vector(samples) => {
                let sample = |sample: parapet_logs::logql::Sample| VectorSample {
                    labels: sample.labels,
                    timestamp_ms: at_ms,
                    value: Value::Float(sample.value),
                };
                QueryValue::Vector(samples.into_iter().map(sample).collect())
            }
            Answer::Streams(_) | Answer::Matrix(_) => return Err("a rule needs numbers at one time".to_owned()),
        })
    }
}
