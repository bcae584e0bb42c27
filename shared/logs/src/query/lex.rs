//! Cuts a query string into tokens.

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Open,
    Close,
    And,
    Or,
    Not,
    Must,
    /// `name:`, or a name before a comparison.
    Field(String),
    /// A word, its backslashes and wildcards still in it.
    Word(String),
    Phrase(String),
    Regex(String),
    Range {
        low: Option<(String, bool)>,
        high: Option<(String, bool)>,
    },
}

#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) at: usize,
    pub(super) kind: Kind,
}

impl Token {
    pub(super) fn describe(&self) -> String {
        match &self.kind {
            Kind::Open => "(".to_owned(),
            Kind::Close => ")".to_owned(),
            Kind::And => "AND".to_owned(),
            Kind::Or => "OR".to_owned(),
            Kind::Not => "NOT".to_owned(),
            Kind::Must => "+".to_owned(),
            Kind::Field(name) => format!("{name}:"),
            Kind::Word(word) => word.clone(),
            Kind::Phrase(text) => format!("\"{text}\""),
            Kind::Regex(pattern) => format!("/{pattern}/"),
            Kind::Range { .. } => "a range".to_owned(),
        }
    }
}

type Fault = (usize, String);

pub(super) fn lex(text: &str) -> Result<Vec<Token>, Fault> {
    let mut tokens: Vec<Token> = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        if c.is_whitespace() {
            at += c.len_utf8();
            continue;
        }
        let after_field = tokens.last().is_some_and(|token| matches!(token.kind, Kind::Field(_)));
        let (kind, length) = match c {
            '(' => (Kind::Open, 1),
            ')' => (Kind::Close, 1),
            '&' if rest.starts_with("&&") => (Kind::And, 2),
            '|' if rest.starts_with("||") => (Kind::Or, 2),
            '!' => (Kind::Not, 1),
            '-' if !after_field => (Kind::Not, 1),
            '+' if !after_field => (Kind::Must, 1),
            '"' => phrase(rest).ok_or_else(|| (at, "a \" that nothing closes".to_owned()))?,
            '/' if after_field || rest[1..].trim_end().ends_with('/') => match regex(rest) {
                Some(found) => found,
                None => word(rest, at)?,
            },
            '[' | '{' => range(rest).ok_or_else(|| {
                (
                    at,
                    "a range is written [low TO high], {low TO high} without its ends".to_owned(),
                )
            })?,
            '>' | '<' | '=' if after_field => comparison(rest, at)?,
            '^' | '~' => {
                return Err((
                    at,
                    format!("{c}: boosts and fuzzy matches mean nothing here; leave them out"),
                ));
            }
            _ => word(rest, at)?,
        };
        tokens.push(Token { at, kind });
        at += length;
    }
    Ok(tokens)
}

fn phrase(rest: &str) -> Option<(Kind, usize)> {
    let mut out = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((index, c)) = chars.next() {
        match c {
            '"' => return Some((Kind::Phrase(out), index + 1)),
            '\\' => out.push(chars.next()?.1),
            c => out.push(c),
        }
    }
    None
}

fn regex(rest: &str) -> Option<(Kind, usize)> {
    let mut escaped = false;
    let end = rest[1..].char_indices().find(|(_, c)| {
        let end = *c == '/' && !escaped;
        escaped = !escaped && *c == '\\';
        end
    })?;
    let pattern = rest[1..=end.0].replace(r"\/", "/");
    Some((Kind::Regex(pattern), end.0 + 2))
}

fn range(rest: &str) -> Option<(Kind, usize)> {
    let length = rest.find([']', '}'])?;
    let (low, high) = rest[1..length].split_once(" TO ")?;
    let end = |text: &str, inclusive: bool| {
        let text = text.trim().trim_matches('"');
        (text != "*").then(|| (text.to_owned(), inclusive))
    };
    let kind = Kind::Range {
        low: end(low, rest.starts_with('[')),
        high: end(high, rest[length..].starts_with(']')),
    };
    Some((kind, length + 1))
}

fn comparison(rest: &str, at: usize) -> Result<(Kind, usize), Fault> {
    let operator = [">=", "<=", ">", "<", "=="]
        .into_iter()
        .find(|operator| rest.starts_with(operator))
        .unwrap_or("=");
    let after = &rest[operator.len()..];
    let spaces = after.len() - after.trim_start().len();
    let operand = after.trim_start();
    let (text, length) = if operand.starts_with('"') {
        match phrase(operand) {
            Some((Kind::Phrase(text), length)) => (text, length),
            _ => return Err((at, "a \" that nothing closes".to_owned())),
        }
    } else {
        let length = operand
            .find(|c: char| c.is_whitespace() || c == ')')
            .unwrap_or(operand.len());
        (operand[..length].to_owned(), length)
    };
    if text.is_empty() {
        return Err((at, format!("a value must follow {operator}")));
    }
    let inclusive = operator.ends_with('=');
    let kind = match operator {
        ">" | ">=" => Kind::Range {
            low: Some((text, inclusive)),
            high: None,
        },
        "<" | "<=" => Kind::Range {
            low: None,
            high: Some((text, inclusive)),
        },
        _ => Kind::Phrase(text),
    };
    Ok((kind, operator.len() + spaces + length))
}

/// A word, or the name of a field with its colon. A name before `>`, `<` or `=` is one too.
fn word(rest: &str, at: usize) -> Result<(Kind, usize), Fault> {
    let mut escaped = false;
    let mut length = rest.len();
    for (index, c) in rest.char_indices() {
        let plain = escaped;
        escaped = !escaped && c == '\\';
        if plain || escaped {
            continue;
        }
        let ends_word = c.is_whitespace() || matches!(c, '(' | ')' | '"');
        // `10:30` and `http://x` are words, not fields: a name does not start with a digit, nor end before a slash.
        let name = &rest[..index];
        let names_field = index > 0 && !name.starts_with(|c: char| c.is_ascii_digit()) && !name.contains(['/', ':']);
        if c == ':' && names_field && !rest[index + 1..].starts_with("//") {
            return Ok((Kind::Field(name.replace('\\', "")), index + 1));
        }
        if matches!(c, '>' | '<' | '=') && names_field {
            return Ok((Kind::Field(name.replace('\\', "")), index));
        }
        if ends_word {
            length = index;
            break;
        }
    }
    let text = &rest[..length];
    let after = rest[length..].trim_start();
    let names_field = text
        .chars()
        .all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '@'));
    if length < rest.len() && names_field && after.starts_with(['>', '<']) {
        return Ok((Kind::Field(text.to_owned()), length));
    }
    if length == 0 {
        return Err((at, "a word must stand here".to_owned()));
    }
    let kind = match text {
        "AND" | "and" => Kind::And,
        "OR" | "or" => Kind::Or,
        "NOT" | "not" => Kind::Not,
        _ => Kind::Word(text.to_owned()),
    };
    Ok((kind, length))
}
