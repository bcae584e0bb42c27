//! [`Found`]: the fields that were found in a line.

use parapet_model::compare::same;
use std::borrow::Cow;
use std::ops::Deref;
use std::rc::Rc;

/// The name of a field.
#[derive(Clone, Debug)]
pub(crate) enum Name<'a> {
    Text(&'a str),
    /// One that many lines have.
    Shared(Rc<str>),
}

impl Deref for Name<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Shared(text) => text,
        }
    }
}

impl<'a> From<&'a str> for Name<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<Cow<'a, str>> for Name<'a> {
    fn from(text: Cow<'a, str>) -> Self {
        match text {
            Cow::Borrowed(text) => Self::Text(text),
            Cow::Owned(text) => Self::Shared(text.into()),
        }
    }
}

/// The fields of a line, in the order in which they were found; of one name the last one counts. Names are not empty.
#[derive(Debug, Default)]
pub(crate) struct Found<'a> {
    /// What was taken has no name.
    pairs: Vec<(Name<'a>, Cow<'a, str>)>,
    /// A bit for each name that may be among them: most that is asked for is not.
    names: u64,
}

/// The bit of a name; none for an empty one.
fn bit(name: &str) -> u64 {
    match name.as_bytes() {
        [] => 0,
        bytes @ ([first, .., last] | [first @ last]) => {
            1 << ((bytes.len() * 7 + usize::from(*first) * 3 + usize::from(*last) * 11) % 64)
        }
    }
}

impl<'a> Found<'a> {
    /// Nothing, with room for as many fields as a line has mostly.
    pub(crate) fn with_room() -> Self {
        Self {
            pairs: Vec::with_capacity(32),
            names: 0,
        }
    }

    /// Nothing, in the memory of what was found before.
    pub(crate) fn cleared<'b>(mut self) -> Found<'b> {
        self.pairs.clear();
        Found {
            pairs: self.pairs.into_iter().map_while(|_| None).collect(),
            names: 0,
        }
    }

    /// Adds a field.
    pub(crate) fn push(&mut self, name: impl Into<Name<'a>>, value: Cow<'a, str>) {
        let name = name.into();
        self.names |= bit(&name);
        self.pairs.push((name, value));
    }

    /// Sets a field, in the place that it has.
    pub(crate) fn set(&mut self, name: &'a str, value: Cow<'a, str>) {
        match self.position(name) {
            Some(at) => self.pairs[at].1 = value,
            None => self.push(name, value),
        }
    }

    /// Removes a field and answers its value.
    pub(crate) fn take(&mut self, name: &str) -> Option<Cow<'a, str>> {
        let at = self.position(name)?;
        let taken = std::mem::replace(&mut self.pairs[at], (Name::Text(""), Cow::Borrowed("")));
        Some(taken.1)
    }

    /// Removes all fields of these names.
    pub(crate) fn remove(&mut self, names: &[String]) {
        for name in names {
            while self.take(name).is_some() {}
        }
    }

    /// The value of a field.
    pub(crate) fn get(&self, name: &str) -> Option<&Cow<'a, str>> {
        Some(&self.pairs[self.position(name)?].1)
    }

    fn position(&self, name: &str) -> Option<usize> {
        if self.names & bit(name) == 0 {
            return None;
        }
        self.pairs
            .iter()
            .rposition(|(other, _)| same(other.as_bytes(), name.as_bytes()))
    }

    pub(crate) fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Forgets all but the first fields.
    pub(crate) fn truncate(&mut self, count: usize) {
        self.pairs.truncate(count);
    }

    /// All fields and what was taken.
    pub(crate) fn pairs(&self) -> &[(Name<'a>, Cow<'a, str>)] {
        &self.pairs
    }
}
