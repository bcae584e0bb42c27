//! Recording rules (`RecordingRule.Eval` of Prometheus).

use super::Evaluation;
use crate::group::Rule;
use parapet_model::{BatchSeries, LabelsBuilder, METRIC_NAME, MetricType, Sample};
use std::collections::HashSet;

impl Evaluation<'_, '_> {
    pub(super) fn recording_rule(&mut self, rule: &Rule) -> Result<Vec<BatchSeries>, String> {
        let samples = self.ask(&rule.expr)?;
        let mut seen = HashSet::with_capacity(samples.len());
        let mut series = Vec::with_capacity(samples.len());
        for sample in samples {
            let mut builder = LabelsBuilder::from(&sample.labels);
            builder.set(METRIC_NAME, rule.name.as_str());
            for (name, value) in &rule.labels {
                builder.set(name, value);
            }
            let labels = builder.build();
            if !seen.insert(labels.clone()) {
                return Err("vector contains metrics with the same labelset after applying rule labels".to_owned());
            }
            let timestamp_ms = self.query_at_ms;
            series.push(BatchSeries {
                labels,
                kind: MetricType::Unknown,
                samples: vec![Sample {
                    timestamp_ms,
                    value: sample.value,
                }],
                exemplars: Vec::new(),
            });
        }
        if self.group.limit > 0 && series.len() > self.group.limit {
            return Err(format!(
                "exceeded limit of {} with {} series",
                self.group.limit,
                series.len()
            ));
        }
        Ok(series)
    }
}
