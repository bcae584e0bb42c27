//! Arithmetic and comparison of two vectors: rows find each other by their labels.

use super::super::{
    ABSENT, Computed, Evaluator, Point, Result, Row, failure, in_braces, is_absent, is_metadata, push_label,
};
use super::element::{self, Element};
use super::{Operation, Remarks, compare, scalar_value};
use crate::ast::{BinaryOp, Cardinality, VectorMatching};
use parapet_model::{Labels, LabelsBuilder, METRIC_NAME};
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

/// Numbers the values that the matching labels take.
pub(super) struct Signatures<'m> {
    matching: &'m VectorMatching,
    numbers: HashMap<Vec<u8>, usize>,
    /// The key in the making.
    key: Vec<u8>,
}

impl<'m> Signatures<'m> {
    pub(super) fn new(matching: &'m VectorMatching) -> Self {
        Self {
            matching,
            numbers: HashMap::new(),
            key: Vec::new(),
        }
    }

    /// The number of these labels' signature.
    pub(super) fn of(&mut self, labels: &Labels) -> usize {
        self.key.clear();
        for (name, value) in labels {
            if self.counts(name) {
                push_label(&mut self.key, name, value);
            }
        }
        if let Some(number) = self.numbers.get(&self.key) {
            return *number;
        }
        self.numbers.insert(self.key.clone(), self.numbers.len());
        self.numbers.len() - 1
    }

    fn counts(&self, label: &str) -> bool {
        let listed = self.matching.labels.iter().any(|name| name == label);
        if self.matching.on {
            listed
        } else {
            !listed && label != METRIC_NAME
        }
    }

    pub(super) fn count(&self) -> usize {
        self.numbers.len()
    }

    /// The labels that a match agrees in.
    fn matched_labels(&self, labels: &Labels) -> Labels {
        labels.without(|name| !self.counts(name))
    }
}

/// The rows of one signature. "Many" is the left side, or with `group_right` the right one.
#[derive(Default)]
struct Group {
    many: Vec<usize>,
    one: Vec<usize>,
}

/// One output row in the making: the same rows of both sides always come to the same one.
struct Pairing<'a> {
    evaluator: &'a Evaluator<'a>,
    operation: &'a Operation,
    matching: &'a VectorMatching,
    swapped: bool,
    /// Whether any row of the "many" side has a value, for each step; empty where it does not matter.
    many_present: Vec<bool>,
    remarks: RefCell<Remarks>,
}

impl Evaluator<'_> {
    pub(super) fn match_vectors(
        &self,
        operation: &Operation,
        left: Vec<Row>,
        right: Vec<Row>,
        matching: &VectorMatching,
    ) -> Result<Vec<Row>> {
        let swapped = matching.cardinality == Cardinality::OneToMany;
        let (many, one) = if swapped { (right, left) } else { (left, right) };
        // Prometheus fills by position, whichever side is the "one".
        let (fill_many, fill_one) = (matching.fill_left, matching.fill_right);
        let mut signatures = Signatures::new(matching);
        let mut groups: Vec<Group> = Vec::new();
        for (at, row) in many.iter().enumerate() {
            self.check_interrupt()?;
            let number = signatures.of(&row.labels);
            groups.resize_with(signatures.count(), Group::default);
            groups[number].many.push(at);
        }
        for (at, row) in one.iter().enumerate() {
            self.check_interrupt()?;
            let number = signatures.of(&row.labels);
            groups.resize_with(signatures.count(), Group::default);
            groups[number].one.push(at);
        }
        let mut many_present = Vec::new();
        if groups.iter().any(|group| group.one.len() > 1) {
            for step in 0..self.steps() {
                self.check_interrupt()?;
                many_present.push(many.iter().any(|row| row.get(step).is_some()));
            }
        }
        let pairing = Pairing {
            evaluator: self,
            operation,
            matching,
            swapped,
            many_present,
            remarks: RefCell::default(),
        };
        let mut out = Vec::new();
        for group in &groups {
            self.check_interrupt()?;
            if group.many.len() <= 1 && group.one.len() <= 1 && fill_one.is_none() && fill_many.is_none() {
                if let (Some(many_at), Some(one_at)) = (group.many.first(), group.one.first()) {
                    out.extend(pairing.pair(*many_at, &many[*many_at], &one[*one_at]));
                }
                continue;
            }
            let rows: Vec<&Row> = group.many.iter().map(|at| &many[*at]).collect();
            let one: Vec<&Row> = group.one.iter().map(|at| &one[*at]).collect();
            pairing.group(&signatures, (&group.many, &rows), &one, (fill_many, fill_one), &mut out)?;
        }
        self.tell(operation, pairing.remarks.into_inner());
        out.retain(|row: &Row| !row.is_empty());
        for row in &mut out {
            row.drop_name = operation.return_bool;
        }
        self.merge_results(out)
    }
}

impl Pairing<'_> {
    /// The output row of two rows that match each other alone.
    fn pair(&self, place: usize, many: &Row, one: &Row) -> Option<Row> {
        let steps = many.floats.len();
        let mut out = Row::new(Labels::empty(), false, steps);
        if many.has_histograms() || one.has_histograms() {
            for step in 0..steps {
                if let (Some(many), Some(one)) = (many.get(step), one.get(step)) {
                    self.operate(&mut out, step, place, many, one);
                }
            }
        } else {
            self.floats(&many.floats, &one.floats, &mut out.floats);
        }
        if out.is_empty() {
            return None;
        }
        out.labels = self.result_labels(&many.labels, &one.labels);
        Some(out)
    }

    /// The fast way: two rows of floats.
    fn floats(&self, many: &[f64], one: &[f64], out: &mut [f64]) {
        let (left, right) = if self.swapped { (one, many) } else { (many, one) };
        match self.operation.op {
            BinaryOp::Add => zip(left, right, out, |a, b| a + b),
            BinaryOp::Sub => zip(left, right, out, |a, b| a - b),
            BinaryOp::Mul => zip(left, right, out, |a, b| a * b),
            BinaryOp::Div => zip(left, right, out, |a, b| a / b),
            BinaryOp::TrimLower | BinaryOp::TrimUpper => {
                if left.iter().zip(right).any(|(a, b)| !is_absent(*a) && !is_absent(*b)) {
                    let text = element::incompatible_types("float", self.operation.op.as_str(), "float");
                    self.evaluator.note(self.operation.position, text);
                }
            }
            op if !op.is_comparison() => zip(left, right, out, |a, b| scalar_value(op, a, b)),
            op if self.operation.return_bool => {
                zip(left, right, out, |a, b| f64::from(u8::from(compare(op, a, b))));
            }
            op => zip(left, right, out, |a, b| if compare(op, a, b) { a } else { ABSENT }),
        }
    }

    /// Sets the output at a step. False where the values do not go together. `place` is that of the "many" row.
    fn operate(&self, out: &mut Row, step: usize, place: usize, many: Point<'_>, one: Point<'_>) -> bool {
        let (left, right) = if self.swapped { (one, many) } else { (many, one) };
        let Element { value, keep, remark } = element::operate(self.operation.op, left, right);
        self.remarks.borrow_mut().add(step, place, remark);
        let Some(value) = value else { return false };
        if self.operation.return_bool {
            out.set(step, Computed::Float(f64::from(u8::from(keep))));
        } else if keep {
            out.set(step, value);
        }
        true
    }

    /// Rows of one signature of which there are several: who matches whom is decided at each step.
    fn group(
        &self,
        signatures: &Signatures<'_>,
        (places, many): (&[usize], &[&Row]),
        one: &[&Row],
        (fill_many, fill_one): (Option<f64>, Option<f64>),
        out: &mut Vec<Row>,
    ) -> Result<()> {
        let steps = self.evaluator.steps();
        let one_to_one = self.matching.cardinality == Cardinality::OneToOne;
        // Output rows by the places of their inputs.
        let mut made: HashMap<(Option<usize>, Option<usize>), usize> = HashMap::new();
        let any = many
            .first()
            .or(one.first())
            .map(|row| signatures.matched_labels(&row.labels))
            .unwrap_or_default();
        for step in 0..steps {
            self.evaluator.check_interrupt()?;
            let mut present = one.iter().enumerate().filter(|(_, row)| row.get(step).is_some());
            let single = present.next();
            if let (Some((_, first)), Some((_, second))) = (single, present.next()) {
                // Where the other side has nothing at all, nothing is matched.
                if fill_many.is_some() || fill_one.is_some() || self.many_present.get(step) == Some(&true) {
                    return self.duplicate(&any, &first.labels, &second.labels);
                }
            }
            let mut matched = 0;
            let mut results: HashSet<Labels> = HashSet::new();
            let present_many = many
                .iter()
                .enumerate()
                .filter_map(|(at, row)| Some((Some(at), row.get(step)?)));
            let present_many: Vec<_> = present_many.collect();
            for (many_at, many_point) in &present_many {
                let (one_at, one_point) = match (single, fill_one) {
                    (Some((at, row)), _) => match row.get(step) {
                        Some(point) => (Some(at), point),
                        None => continue,
                    },
                    (None, Some(fill)) => (None, Point::Float(fill)),
                    (None, None) => continue,
                };
                let row = self.output(&mut made, out, (many, *many_at), (one, one_at), &any, steps);
                let place = many_at.map_or(usize::MAX, |at| places[at]);
                if !self.operate(&mut out[row], step, place, *many_point, one_point) {
                    continue;
                }
                matched += 1;
                if one_to_one {
                    if matched > 1 {
                        return failure(
                            "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)",
                        );
                    }
                } else if !results.insert(out[row].labels.clone()) {
                    return failure("multiple matches for labels: grouping labels must ensure unique matches");
                }
            }
            if let (Some(fill), Some((one_at, row)), 0) = (fill_many, single, matched)
                && let Some(point) = row.get(step)
            {
                let row = self.output(&mut made, out, (many, None), (one, Some(one_at)), &any, steps);
                // Prometheus fills in when it is through with the rows that are there.
                self.operate(&mut out[row], step, usize::MAX, Point::Float(fill), point);
            }
        }
        Ok(())
    }

    /// The place of the output row of two inputs; one that is filled in has the matching labels.
    fn output(
        &self,
        made: &mut HashMap<(Option<usize>, Option<usize>), usize>,
        out: &mut Vec<Row>,
        (many, many_at): (&[&Row], Option<usize>),
        (one, one_at): (&[&Row], Option<usize>),
        matched: &Labels,
        steps: usize,
    ) -> usize {
        *made.entry((many_at, one_at)).or_insert_with(|| {
            let many = many_at.map_or(matched, |at| &many[at].labels);
            let one = one_at.map_or(matched, |at| &one[at].labels);
            out.push(Row::new(self.result_labels(many, one), false, steps));
            out.len() - 1
        })
    }

    fn duplicate(&self, matched: &Labels, first: &Labels, second: &Labels) -> Result<()> {
        let side = if self.swapped { "left" } else { "right" };
        let (mut first, mut second) = (in_braces(first), in_braces(second));
        if first > second {
            std::mem::swap(&mut first, &mut second);
        }
        failure(format!(
            "found duplicate series for the match group {} on the {side} hand-side of the operation: [{first}, \
             {second}];many-to-many matching not allowed: matching labels must be unique on one side",
            in_braces(matched)
        ))
    }

    /// The labels of the answer: those of the "many" side, and those that the "one" side lends.
    fn result_labels(&self, many: &Labels, one: &Labels) -> Labels {
        let drops_name =
            self.operation.changes_metric() || (self.operation.return_bool && !self.evaluator.delays_names());
        let matching = self.matching;
        let listed = |name: &str| matching.labels.iter().any(|label| label == name);
        let one_to_one = matching.cardinality == Cardinality::OneToOne;
        let dropped = |name: &str| (drops_name && is_metadata(name)) || (one_to_one && listed(name) != matching.on);
        let kept = if many.iter().any(|(name, _)| dropped(name)) {
            many.without(dropped)
        } else {
            many.clone()
        };
        if matching.include.is_empty() {
            return kept;
        }
        let mut builder = LabelsBuilder::from(&kept);
        for name in &matching.include {
            // An empty value takes the label away.
            builder.set(name.as_str(), one.get(name).unwrap_or_default());
        }
        builder.build()
    }
}

#[inline]
fn zip(left: &[f64], right: &[f64], out: &mut [f64], operate: impl Fn(f64, f64) -> f64) {
    for ((left, right), out) in left.iter().zip(right).zip(out) {
        *out = if is_absent(*left) || is_absent(*right) {
            ABSENT
        } else {
            operate(*left, *right)
        };
    }
}
