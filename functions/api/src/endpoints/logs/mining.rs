//! Templates of messages with their counts over time.
//!
//! Each slot of time has a miner of its own; what they find is brought together in the end, and each slot's templates
//! count for the one of the whole that covers them.

use super::ask::Fault;
use parapet_logs::templates::{Miner, Options, WILDCARD};
use std::collections::BTreeMap;

/// The most templates of a slot, and of the whole.
const MAX_TEMPLATES: usize = 1_000;

/// What was mined so far.
#[derive(Debug, Default)]
pub(super) struct Mined {
    slots: BTreeMap<i64, Miner>,
}

/// A template, how often it was met, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    pub(super) text: String,
    pub(super) count: u64,
    pub(super) counts: BTreeMap<i64, u64>,
}

fn miner() -> Result<Miner, Fault> {
    let options = Options {
        max_templates: MAX_TEMPLATES,
        ..Options::default()
    };
    Miner::new(options).map_err(Fault::bad)
}

/// Takes a message in, at the slot that it counts for.
pub(super) fn mine(mined: &mut Mined, slot: i64, message: &str) -> Result<(), Fault> {
    let miner = match mined.slots.entry(slot) {
        std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
        std::collections::btree_map::Entry::Vacant(new) => new.insert(miner()?),
    };
    miner.learn(message);
    Ok(())
}

impl Mined {
    /// The templates of the whole, the most frequent first.
    pub(super) fn patterns(&self) -> Vec<Pattern> {
        let Ok(mut whole) = miner() else { return Vec::new() };
        let slots: Vec<_> = self.slots.iter().map(|(at, miner)| (*at, miner.templates())).collect();
        slots.iter().for_each(|(_, templates)| whole.absorb(templates));
        let mut patterns: Vec<Pattern> = whole
            .templates()
            .into_iter()
            .map(|template| Pattern {
                text: template.text,
                count: 0,
                counts: BTreeMap::new(),
            })
            .collect();
        for (at, templates) in slots {
            for template in templates {
                let covering = patterns
                    .iter_mut()
                    .find(|pattern| covers(&pattern.text, &template.text));
                if let Some(pattern) = covering {
                    pattern.count += template.count;
                    *pattern.counts.entry(at).or_default() += template.count;
                }
            }
        }
        patterns.retain(|pattern| pattern.count > 0);
        patterns.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.text.cmp(&b.text)));
        patterns
    }
}

/// Whether all that one template stands for is what the other does too.
fn covers(whole: &str, part: &str) -> bool {
    let (mut whole, mut part) = (whole.split(' '), part.split(' '));
    loop {
        match (whole.next(), part.next()) {
            (None, None) => return true,
            (Some(known), Some(word)) if known == word || known == WILDCARD => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_over_time() {
        let mut mined = Mined::default();
        for (slot, message) in [
            (0, "login of alice succeeded from 10.0.0.1"),
            (0, "login of bob succeeded from 10.0.0.2"),
            (60, "login of alice succeeded from 10.0.0.3"),
            (60, "disk 3 is full"),
        ] {
            mine(&mut mined, slot, message).unwrap();
        }
        let patterns = mined.patterns();
        assert_eq!(
            patterns,
            [
                Pattern {
                    text: "login of <*> succeeded from <*>".to_owned(),
                    count: 3,
                    counts: BTreeMap::from([(0, 2), (60, 1)]),
                },
                Pattern {
                    text: "disk <*> is full".to_owned(),
                    count: 1,
                    counts: BTreeMap::from([(60, 1)]),
                },
            ]
        );
    }
}
