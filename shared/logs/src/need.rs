//! [`Need`]: what a query surely needs of a block of lines.

/// Words that the lines of a block must have for any of them to match: asked of a block's word index before the block is
/// read. Conservative: what it refuses holds no match; what it lets through may hold none either.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Need {
    /// Nothing is needed: any block may match.
    #[default]
    Nothing,
    /// A word, in lower case.
    Word(String),
    /// Every part is needed.
    All(Vec<Need>),
    /// One of the parts is needed.
    Any(Vec<Need>),
}

impl Need {
    /// Every one of the parts.
    pub fn all(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut wanted: Vec<Self> = Vec::new();
        for part in parts {
            match part {
                Self::Nothing => {}
                Self::All(inner) => wanted.extend(inner),
                part => wanted.push(part),
            }
        }
        match wanted.len() {
            0 => Self::Nothing,
            1 => wanted.remove(0),
            _ => Self::All(wanted),
        }
    }

    /// One of the parts: nothing is needed where one of them needs nothing.
    pub fn any(parts: impl IntoIterator<Item = Self>) -> Self {
        let parts: Vec<Self> = parts.into_iter().collect();
        if parts.is_empty() || parts.contains(&Self::Nothing) {
            Self::Nothing
        } else {
            Self::Any(parts)
        }
    }

    /// Every one of the words.
    #[must_use]
    pub fn words(words: &[String]) -> Self {
        Self::all(words.iter().cloned().map(Self::Word))
    }

    /// Whether a block can hold a match, of which `has` knows the words it may hold.
    pub fn may_match(&self, has: &impl Fn(&str) -> bool) -> bool {
        match self {
            Self::Nothing => true,
            Self::Word(word) => has(word),
            Self::All(parts) => parts.iter().all(|part| part.may_match(has)),
            Self::Any(parts) => parts.iter().any(|part| part.may_match(has)),
        }
    }
}
