//! Operators between numbers and series, with Prometheus' matching.

use super::{EvaluationError, Sample, Value};
use crate::logql::ast::Matching;
use parapet_model::{Labels, LabelsBuilder};
use std::collections::HashMap;

pub(super) fn binary(
    op: &str,
    return_bool: bool,
    matching: &Matching,
    left: Value,
    right: Value,
) -> Result<Value, EvaluationError> {
    Ok(match (left, right) {
        // Between numbers a comparison answers 0 or 1, as in Loki.
        (Value::Scalar(left), Value::Scalar(right)) => {
            Value::Scalar(calculate(op, left, right).unwrap_or_else(|holds| f64::from(u8::from(holds))))
        }
        (Value::Vector(samples), Value::Scalar(number)) => {
            let of = |sample: &Sample| calculate(op, sample.value, number);
            Value::Vector(each(samples, return_bool, of))
        }
        (Value::Scalar(number), Value::Vector(samples)) => {
            let of = |sample: &Sample| calculate(op, number, sample.value);
            Value::Vector(each(samples, return_bool, of))
        }
        (Value::Vector(left), Value::Vector(right)) => Value::Vector(match op {
            "and" | "or" | "unless" => set(op, matching, left, right),
            _ => pairs(op, return_bool, matching, left, right)?,
        }),
    })
}

/// The number that an operator makes, or whether its comparison holds.
fn calculate(op: &str, left: f64, right: f64) -> Result<f64, bool> {
    #[allow(clippy::float_cmp)]
    match op {
        "+" => Ok(left + right),
        "-" => Ok(left - right),
        "*" => Ok(left * right),
        "/" if right == 0.0 => Ok(f64::NAN),
        "/" => Ok(left / right),
        "%" if right == 0.0 => Ok(f64::NAN),
        "%" => Ok(left % right),
        "^" => Ok(left.powf(right)),
        "==" => Err(left == right),
        "!=" => Err(left != right),
        ">" => Err(left > right),
        ">=" => Err(left >= right),
        "<" => Err(left < right),
        _ => Err(left <= right),
    }
}

/// What a comparison or a calculation leaves of a value; `None` where it takes it out.
fn outcome(result: Result<f64, bool>, return_bool: bool, value: f64) -> Option<f64> {
    match result {
        Ok(number) => Some(number),
        Err(holds) if return_bool => Some(f64::from(u8::from(holds))),
        Err(holds) => holds.then_some(value),
    }
}

fn each(samples: Vec<Sample>, return_bool: bool, of: impl Fn(&Sample) -> Result<f64, bool>) -> Vec<Sample> {
    let kept = samples.into_iter().filter_map(|sample| {
        let value = outcome(of(&sample), return_bool, sample.value)?;
        Some(Sample {
            labels: sample.labels,
            value,
        })
    });
    kept.collect()
}

/// The labels by which series find each other.
fn signature(labels: &Labels, matching: &Matching) -> Labels {
    labels.without(|name| matching.labels.iter().any(|other| other == name) != matching.on)
}

fn set(op: &str, matching: &Matching, left: Vec<Sample>, right: Vec<Sample>) -> Vec<Sample> {
    let signatures = |samples: &[Sample]| -> std::collections::HashSet<Labels> {
        samples
            .iter()
            .map(|sample| signature(&sample.labels, matching))
            .collect()
    };
    let (in_left, in_right) = (signatures(&left), signatures(&right));
    match op {
        "and" => left
            .into_iter()
            .filter(|sample| in_right.contains(&signature(&sample.labels, matching)))
            .collect(),
        "unless" => left
            .into_iter()
            .filter(|sample| !in_right.contains(&signature(&sample.labels, matching)))
            .collect(),
        _ => {
            let new = right
                .into_iter()
                .filter(|sample| !in_left.contains(&signature(&sample.labels, matching)));
            left.into_iter().chain(new.collect::<Vec<_>>()).collect()
        }
    }
}

fn pairs(
    op: &str,
    return_bool: bool,
    matching: &Matching,
    left: Vec<Sample>,
    right: Vec<Sample>,
) -> Result<Vec<Sample>, EvaluationError> {
    let swapped = matching.group_left == Some(false);
    // The one side is looked up, the many side is gone through.
    let (many, one) = if swapped { (right, left) } else { (left, right) };
    let mut known: HashMap<Labels, Sample> = HashMap::new();
    for sample in one {
        let key = signature(&sample.labels, matching);
        if let Some(other) = known.insert(key, sample.clone()) {
            let side = if swapped { "left" } else { "right" };
            return Err(EvaluationError::Matching(format!(
                "found duplicate series on the {side} hand-side;many-to-many matching not allowed: matching labels must be \
                 unique on one side: {} and {}",
                other.labels, sample.labels
            )));
        }
    }
    let mut out = Vec::new();
    let mut seen: HashMap<Labels, ()> = HashMap::new();
    for sample in many {
        let key = signature(&sample.labels, matching);
        let Some(partner) = known.get(&key) else { continue };
        let (left, right) = if swapped {
            (partner.value, sample.value)
        } else {
            (sample.value, partner.value)
        };
        let Some(value) = outcome(calculate(op, left, right), return_bool, left) else {
            continue;
        };
        let labels = match matching.group_left {
            None => key.clone(),
            Some(_) => {
                let mut labels = LabelsBuilder::from(&sample.labels);
                for name in &matching.include {
                    labels.set(name, partner.labels.get(name).unwrap_or_default());
                }
                labels.build()
            }
        };
        if seen.insert(labels.clone(), ()).is_some() {
            return Err(EvaluationError::Matching(match matching.group_left {
                None => "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
                    .to_owned(),
                Some(_) => "multiple matches for labels: grouping labels must ensure unique matches".to_owned(),
            }));
        }
        out.push(Sample { labels, value });
    }
    Ok(out)
}
