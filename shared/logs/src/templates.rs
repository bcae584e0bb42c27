//! Message templates: what messages have in common, with `<*>` for what differs.
//!
//! Mined online as Drain does (He et al., "Drain: An Online Log Parsing Approach with Fixed Depth Tree", 2017): what is
//! known to vary is masked; messages of one length that begin with the same words meet in one leaf of a tree; there the
//! most alike group takes the message, if it is alike enough, and its template loses the words that differ.

use regex::Regex;
use std::collections::{BTreeMap, HashMap};

/// What stands for the parts of a template that vary.
pub const WILDCARD: &str = "<*>";

/// How templates are mined.
#[derive(Clone, Debug)]
pub struct Options {
    /// The share of words, 0 to 1, that a message must have in common with a template to become one with it.
    pub similarity: f64,
    /// How many leading words messages must share to be compared at all.
    pub prefix_words: usize,
    /// The most ways that go on from one place in the tree; more words are one.
    pub max_children: usize,
    /// The most templates that are kept; the one that was not seen for longest makes room.
    pub max_templates: usize,
    /// The most words of a message that count.
    pub max_words: usize,
    /// What is masked before: the groups of the kinds named here, or expressions in Go's syntax.
    pub masks: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            similarity: 0.6,
            prefix_words: 2,
            max_children: 100,
            max_templates: 10_000,
            max_words: 256,
            masks: ["uuid", "ip", "hex", "digits"].map(str::to_owned).to_vec(),
        }
    }
}

/// Masks that are known by name.
const MASKS: [(&str, &str); 8] = [
    ("ip", r"(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?::[0-9]+)?"),
    (
        "hex",
        r"\b0[xX][0-9a-fA-F]+\b|\b[0-9a-fA-F]*[0-9][0-9a-fA-F]{6,}[0-9a-fA-F]*\b",
    ),
    ("number", r"(?:\b|[-+])[0-9]+(?:\.[0-9]+)?\b"),
    ("uuid", r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b"),
    ("path", r"(?:/[A-Za-z0-9_.-]+)+"),
    ("host", r"(?:[A-Za-z0-9_-]+\.){2,}[A-Za-z0-9_-]+(?::[0-9]+)?"),
    ("time", r"\b[0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?\b"),
    ("digits", r"[0-9]+"),
];

/// A template and how often it was met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// The words, parted by spaces.
    pub text: String,
    /// How many messages it stands for.
    pub count: u64,
}

/// Mines templates, one message after another. What it answers depends on the messages and their order alone.
#[derive(Clone, Debug)]
pub struct Miner {
    options: Options,
    masks: Vec<Regex>,
    /// Leaves by length and leading words: the groups in them.
    leaves: BTreeMap<Vec<String>, Vec<usize>>,
    /// How many ways go on from a place.
    children: HashMap<Vec<String>, usize>,
    groups: Vec<Option<Group>>,
    free: Vec<usize>,
    clock: u64,
}

#[derive(Clone, Debug)]
struct Group {
    words: Vec<String>,
    count: u64,
    seen: u64,
    leaf: Vec<String>,
}

impl Miner {
    /// A miner that knows nothing yet.
    ///
    /// # Errors
    /// A mask that is neither known nor a regular expression, or bounds that make no sense.
    pub fn new(options: Options) -> Result<Self, String> {
        if !(0.0..=1.0).contains(&options.similarity) || options.max_templates == 0 {
            return Err("similarity must be from 0 to 1, and max_templates at least 1".to_owned());
        }
        let masks = options
            .masks
            .iter()
            .map(|mask| match MASKS.iter().find(|(name, _)| name == mask) {
                Some((_, pattern)) => Regex::new(pattern).map_err(|error| error.to_string()),
                None => parapet_model::go_regex(mask).map_err(|error| error.to_string()),
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            options,
            masks,
            leaves: BTreeMap::new(),
            children: HashMap::new(),
            groups: Vec::new(),
            free: Vec::new(),
            clock: 0,
        })
    }

    /// Takes a message in.
    pub fn learn(&mut self, message: &str) {
        let mut masked = std::borrow::Cow::Borrowed(message);
        for mask in &self.masks {
            if let std::borrow::Cow::Owned(text) = mask.replace_all(&masked, WILDCARD) {
                masked = std::borrow::Cow::Owned(text);
            }
        }
        self.learn_masked(&masked, 1);
    }

    /// Takes in what another miner found: templates of parts of the messages become templates of all.
    pub fn absorb(&mut self, templates: &[Template]) {
        for template in templates {
            self.learn_masked(&template.text, template.count);
        }
    }

    fn learn_masked(&mut self, masked: &str, count: u64) {
        self.clock += 1;
        let words: Vec<&str> = masked.split_whitespace().take(self.options.max_words).collect();
        let leaf = self.leaf(&words);
        let groups = self.leaves.entry(leaf.clone()).or_default();
        // The most alike; of equals the one with more wildcards, as Drain does.
        let best = groups
            .iter()
            .filter_map(|index| Some((*index, self.groups[*index].as_ref()?)))
            .map(|(index, group)| (alike(&group.words, &words), index))
            .max_by(|((a, b), i), ((c, d), j)| a.total_cmp(c).then(b.cmp(d)).then(j.cmp(i)));
        if let Some(((similarity, _), index)) = best
            && similarity >= self.options.similarity
            && let Some(group) = &mut self.groups[index]
        {
            group.count += count;
            group.seen = self.clock;
            for (known, word) in group.words.iter_mut().zip(&words) {
                if known != word {
                    WILDCARD.clone_into(known);
                }
            }
            return;
        }
        let group = Group {
            words: words.into_iter().map(str::to_owned).collect(),
            count,
            seen: self.clock,
            leaf: leaf.clone(),
        };
        if self.groups.len() - self.free.len() >= self.options.max_templates {
            self.forget();
        }
        let index = self.free.pop().unwrap_or(self.groups.len());
        if index == self.groups.len() {
            self.groups.push(None);
        }
        self.groups[index] = Some(group);
        self.leaves.entry(leaf).or_default().push(index);
    }

    /// Forgets the template that was not seen for longest.
    fn forget(&mut self) {
        let known = self.groups.iter().enumerate();
        let oldest = known
            .filter_map(|(index, group)| Some((group.as_ref()?.seen, index)))
            .min();
        let Some((_, index)) = oldest else { return };
        if let Some(group) = self.groups[index].take()
            && let Some(groups) = self.leaves.get_mut(&group.leaf)
        {
            groups.retain(|other| *other != index);
            if groups.is_empty() {
                self.leaves.remove(&group.leaf);
            }
        }
        self.free.push(index);
        // Ways are counted anew from what is left once their record outgrows it.
        if self.children.len() > 4 * self.options.max_templates * (self.options.prefix_words + 1) {
            self.children.clear();
        }
    }

    /// The place in the tree: the length, then leading words; those with digits vary.
    fn leaf(&mut self, words: &[&str]) -> Vec<String> {
        let mut leaf = vec![words.len().to_string()];
        for word in words.iter().take(self.options.prefix_words) {
            let varies = word.contains(WILDCARD) || word.bytes().any(|byte| byte.is_ascii_digit());
            let mut next = leaf.clone();
            next.push(if varies { WILDCARD } else { word }.to_owned());
            if !self.children.contains_key(&next) {
                let ways = self.children.entry(leaf.clone()).or_default();
                if *ways >= self.options.max_children {
                    WILDCARD.clone_into(&mut next[leaf.len()]);
                } else {
                    *ways += 1;
                }
                self.children.entry(next.clone()).or_default();
            }
            leaf = next;
        }
        leaf
    }

    /// The templates, the most frequent first; those that read the same are one.
    #[must_use]
    pub fn templates(&self) -> Vec<Template> {
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for group in self.groups.iter().flatten() {
            *counts.entry(group.words.join(" ")).or_default() += group.count;
        }
        let mut templates: Vec<Template> = counts
            .into_iter()
            .map(|(text, count)| Template { text, count })
            .collect();
        templates.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.text.cmp(&b.text)));
        templates
    }
}

/// The share of words that a template and a message of the same length have in common, and how many wildcards it has.
#[allow(clippy::cast_precision_loss)]
fn alike(template: &[String], words: &[&str]) -> (f64, usize) {
    if words.is_empty() {
        return (1.0, 0);
    }
    let wildcards = template.iter().filter(|word| *word == WILDCARD).count();
    let same = template
        .iter()
        .zip(words)
        .filter(|(known, word)| known == word && *known != WILDCARD)
        .count();
    (same as f64 / words.len() as f64, wildcards)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mine(options: Options, messages: &[&str]) -> Vec<(String, u64)> {
        let mut miner = Miner::new(options).unwrap();
        messages.iter().for_each(|message| miner.learn(message));
        miner
            .templates()
            .into_iter()
            .map(|template| (template.text, template.count))
            .collect()
    }

    #[test]
    fn words_that_differ_become_wildcards() {
        let found = mine(
            Options::default(),
            &[
                "login of alice succeeded from 10.0.0.1",
                "login of bob succeeded from 10.0.0.2",
                "disk 3 is full",
                "login of carol succeeded from 10.0.0.3",
            ],
        );
        assert_eq!(
            found,
            [
                ("login of <*> succeeded from <*>".to_owned(), 3),
                ("disk <*> is full".to_owned(), 1)
            ]
        );
    }

    #[test]
    fn memory_is_bounded() {
        let options = Options {
            max_templates: 10,
            ..Options::default()
        };
        let messages: Vec<String> = (0..26_u8)
            .map(|n| format!("{0} {0} {0}", char::from(b'a' + n)))
            .chain(["z z z".to_owned()])
            .collect();
        let messages: Vec<&str> = messages.iter().map(String::as_str).collect();
        let found = mine(options, &messages);
        assert_eq!(found.len(), 10);
        assert_eq!(found[0], ("z z z".to_owned(), 2));
        assert!(!found.iter().any(|(text, _)| text == "a a a"));
    }

    #[test]
    fn parts_add_up() {
        let messages: Vec<String> = (0..100)
            .map(|n| format!("request {n} of shop {} done", n % 7))
            .collect();
        let mut whole = Miner::new(Options::default()).unwrap();
        let mut parts = Miner::new(Options::default()).unwrap();
        for chunk in messages.chunks(30) {
            let mut part = Miner::new(Options::default()).unwrap();
            for message in chunk {
                part.learn(message);
                whole.learn(message);
            }
            parts.absorb(&part.templates());
        }
        assert_eq!(parts.templates(), whole.templates());
        assert_eq!(whole.templates()[0].count, 100);
    }

    #[test]
    fn refuses_what_makes_no_sense() {
        for options in [
            Options {
                similarity: 2.0,
                ..Options::default()
            },
            Options {
                max_templates: 0,
                ..Options::default()
            },
            Options {
                masks: vec!["(".to_owned()],
                ..Options::default()
            },
        ] {
            assert!(Miner::new(options).is_err());
        }
    }
}
