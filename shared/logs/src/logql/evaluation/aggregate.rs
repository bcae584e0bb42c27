//! Aggregations of series.

use super::Sample;
use super::over_time::variance;
use super::range::group;
use crate::logql::ast::Grouping;
use parapet_model::Labels;
use std::cmp::Ordering;
use std::collections::BTreeMap;

#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss
)]
pub(super) fn aggregate(
    function: &str,
    parameter: Option<f64>,
    grouping: Option<&Grouping>,
    mut samples: Vec<Sample>,
) -> Vec<Sample> {
    let rising = |a: &Sample, b: &Sample| by_value(a.value, b.value).then_with(|| a.labels.cmp(&b.labels));
    match function {
        "sort" => {
            samples.sort_by(rising);
            return samples;
        }
        "sort_desc" => {
            samples.sort_by(|a, b| by_value(b.value, a.value).then_with(|| a.labels.cmp(&b.labels)));
            return samples;
        }
        _ => {}
    }
    let mut groups: BTreeMap<Labels, Vec<Sample>> = BTreeMap::new();
    for sample in samples {
        let key = grouping.map_or_else(Labels::empty, |grouping| group(&sample.labels, grouping));
        groups.entry(key).or_default().push(sample);
    }
    let mut out = Vec::new();
    for (labels, mut members) in groups {
        let values = || members.iter().map(|sample| sample.value);
        let count = members.len() as f64;
        let value = match function {
            "sum" => values().sum(),
            "avg" => values().sum::<f64>() / count,
            "count" => count,
            "min" => values().fold(f64::NAN, f64::min),
            "max" => values().fold(f64::NAN, f64::max),
            "stdvar" => variance(values()),
            "stddev" => variance(values()).sqrt(),
            _ => {
                // topk, bottomk and approx_topk keep whole series.
                if function == "bottomk" {
                    members.sort_by(rising);
                } else {
                    members.sort_by(|a, b| by_value(b.value, a.value).then_with(|| a.labels.cmp(&b.labels)));
                }
                members.truncate(parameter.unwrap_or(1.0) as usize);
                out.extend(members);
                continue;
            }
        };
        out.push(Sample { labels, value });
    }
    out
}

/// What is no number comes last, whichever way round.
fn by_value(a: f64, b: f64) -> Ordering {
    match (a.is_nan(), b.is_nan()) {
        (false, false) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
    }
}
