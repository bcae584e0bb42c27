//! Relabelling: rules of every action with any fields, over any labels. Lines of the input are, in turn, the fields of
//! a rule; the last ones are labels.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parapet_model::{Labels, NameValidation};
use parapet_relabel::{Fields, Rule, process};

const ACTIONS: [&str; 11] = [
    "replace", "keep", "drop", "keepequal", "dropequal", "hashmod", "labelmap", "labeldrop", "labelkeep", "lowercase", "Uppercase",
];

fuzz_target!(|data: &[u8]| {
    let Some((choice, body)) = data.split_first() else { return };
    let text = String::from_utf8_lossy(body);
    let mut lines = text.split('\n');
    let names = if choice & 1 == 0 { NameValidation::Utf8 } else { NameValidation::Legacy };
    let mut rules = Vec::new();
    for _ in 0..(choice >> 1 & 3) + 1 {
        let mut next = || lines.next().unwrap_or_default().to_owned();
        let action = next();
        let place = action.bytes().next().unwrap_or_default();
        let fields = Fields {
            action: match place {
                b'a'..=b'k' if action.len() == 1 => ACTIONS[usize::from(place - b'a')].to_owned(),
                _ => action,
            },
            source_labels: next().split(',').map(str::to_owned).collect(),
            separator: next(),
            regex: next(),
            target_label: next(),
            replacement: next(),
            modulus: next().parse().unwrap_or_default(),
        };
        match Rule::new(fields, names) {
            Ok(rule) => rules.push(rule),
            Err(error) => assert!(!error.reason.is_empty() && !error.field.is_empty()),
        }
    }
    let pairs: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once('=')).filter(|(name, _)| !name.is_empty()).collect();
    let labels = Labels::from_pairs(pairs);
    if let Some(labels) = process(&labels, &rules) {
        assert!(labels.iter().all(|(_, value)| !value.is_empty()), "{labels}");
    }
    assert_eq!(process(&labels, &rules), process(&labels, &rules));
});
