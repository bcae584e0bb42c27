//! [`Skeletons`]: how objects are written, but for their values. Lines of one logger differ in nothing else, and are read by
//! comparing what lies between.

use super::found::{Found, Name};
use super::json::{NotJson, Reader};
use std::borrow::Cow;
use std::ops::Range;
use std::rc::Rc;

/// So many ways of writing are tried before an object is read in full.
const MAX_KNOWN: usize = 4;

/// How the last objects were written, the one that was used last first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Skeletons(Vec<Skeleton>);

#[derive(Clone, Debug)]
struct Skeleton {
    leaves: Vec<Leaf>,
    /// What follows the last value.
    end: String,
}

/// A value and what comes before it.
#[derive(Clone, Debug)]
struct Leaf {
    before: String,
    name: LeafName,
    depth: usize,
}

#[derive(Clone, Debug)]
enum LeafName {
    /// It stands in the text before the value.
    Within(Range<usize>),
    /// It is put together of several, or has escapes.
    Own(Rc<str>),
}

impl Skeletons {
    /// As [`super::json::flatten`] with points between names. Fields that were found before an error are kept in `fields`.
    pub(crate) fn flatten<'a>(&mut self, text: &'a str, fields: &mut Found<'a>) -> Result<(), NotJson> {
        let before = fields.len();
        for number in 0..self.0.len() {
            if self.0[number].read(text, fields) {
                self.0[..=number].rotate_right(1);
                return Ok(());
            }
            fields.truncate(before);
        }
        let (mut leaves, mut end) = (Vec::with_capacity(16), 0);
        let mut reader = Reader::new(text);
        reader.flatten(".", &mut |name, value, place| {
            let between = &text[end..place.range.start];
            leaves.push(Leaf {
                name: match &name {
                    Cow::Borrowed(name) => {
                        let start = name.as_ptr() as usize - between.as_ptr() as usize;
                        LeafName::Within(start..start + name.len())
                    }
                    Cow::Owned(name) => LeafName::Own(name.as_str().into()),
                },
                before: between.to_owned(),
                depth: place.depth,
            });
            end = place.range.end;
            fields.push(name, value.into_text());
        })?;
        self.0.truncate(MAX_KNOWN - 1);
        let skeleton = Skeleton {
            leaves,
            end: text[end..].to_owned(),
        };
        self.0.insert(0, skeleton);
        Ok(())
    }
}

impl Skeleton {
    /// Reads an object that is written so; answers whether it is.
    fn read<'a>(&self, text: &'a str, fields: &mut Found<'a>) -> bool {
        let mut reader = Reader::new(text);
        for leaf in &self.leaves {
            let start = reader.at();
            // An object has leaves of its own.
            if !reader.skip_text(&leaf.before) || reader.is_object() {
                return false;
            }
            let Ok(value) = reader.value(leaf.depth) else {
                return false;
            };
            let name = match &leaf.name {
                LeafName::Within(range) => Name::Text(&text[start + range.start..start + range.end]),
                LeafName::Own(name) => Name::Shared(name.clone()),
            };
            fields.push(name, value.into_text());
        }
        text[reader.at()..] == self.end
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::json::{Value, flatten};
    use proptest::prelude::*;

    fn plainly(text: &str) -> Result<Vec<(String, String)>, NotJson> {
        let mut fields = Vec::new();
        flatten(text, ".", &mut |name, value: Value<'_>| {
            fields.push((name.into_owned(), value.into_text().into_owned()));
        })?;
        Ok(fields)
    }

    /// Reads texts one after another, as lines of a stream are.
    fn agree(texts: &[&str]) {
        let mut skeletons = Skeletons::default();
        for text in texts {
            let mut fields = Found::default();
            let read = skeletons.flatten(text, &mut fields).map(|()| {
                let owned = |(name, value): &(Name<'_>, Cow<'_, str>)| (name.to_string(), value.to_string());
                fields.pairs().iter().map(owned).collect::<Vec<_>>()
            });
            assert_eq!(read, plainly(text), "{text}");
        }
        assert!(skeletons.0.len() <= MAX_KNOWN);
    }

    #[test]
    fn lines_of_loggers() {
        agree(&[
            r#"{"a":1,"b":{"c":"x","d":[1]},"e":"y"}"#,
            r#"{"a":2,"b":{"c":"z\"","d":[]},"e":""}"#,
            r#"{"a":null,"b":{"c":{"new":1},"d":true},"e":"y"}"#,
            r#"{"a":2,"b":{"c":"z","d":[1,{"deep":2}]},"e":"y"} "#,
            r#"{"a":2,"b":{"c":"z","d":[1}]},"e":"y"}"#,
            r#"{"a":2,"b":{"c":"z","d":1},"e":"y"}x"#,
            r#"{"a":02,"b":{"c":"z","d":1},"e":"y"}"#,
            r#"{"a":2,"b":{"c":"z","d":1},"é\n":"y"}"#,
            r#"{"a":2,"b":{"c":"z","d":1},"é\n":"ü"}"#,
            "{}",
            "{ }",
            r#"{"a":{}}"#,
            r#"{"a":{"b":1}}"#,
            r#"{"a":1}"#,
            "prose",
        ]);
        let mut skeletons = Skeletons::default();
        for number in 0..3 {
            skeletons
                .flatten(&format!(r#"{{"a":{number},"b":"é{number}"}}"#), &mut Found::default())
                .unwrap();
        }
        assert_eq!(skeletons.0.len(), 1, "one way of writing");
    }

    proptest! {
        #[test]
        fn it_reads_what_the_plain_reader_reads(
            texts in prop::collection::vec(r#"\{"a": ?(1|"[x\\"]{0,2}"|\{"b":[12]\}|\[1?\]|\{\})(,"c":(0[12]?|"é"|null))?\}"#, 1..8)
        ) {
            agree(&texts.iter().map(String::as_str).collect::<Vec<_>>());
        }
    }
}
