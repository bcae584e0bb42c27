//! Stream selectors: `{app="web", env=~"prod|stage"}`.

use super::lex::{Kind, ParseError, Token, lex};
use parapet_model::{MatchOp, Matcher};

/// Reads a stream selector alone.
///
/// # Errors
/// [`ParseError`] where it is none, or has a regular expression that does not compile.
pub fn parse_selector(text: &str) -> Result<Vec<Matcher>, ParseError> {
    let tokens = lex(text)?;
    let (matchers, end) = selector(text, &tokens, 0)?;
    match &tokens[end].kind {
        Kind::End => Ok(matchers),
        other => Err(unexpected(
            text,
            &tokens[end],
            &format!("syntax error: unexpected {}", other.describe()),
        )),
    }
}

fn unexpected(text: &str, token: &Token, message: &str) -> ParseError {
    ParseError::at(text, token.at, message)
}

/// Reads a selector whose brace stands at `at`; answers also where it ends.
pub(super) fn selector(text: &str, tokens: &[Token], at: usize) -> Result<(Vec<Matcher>, usize), ParseError> {
    let expect = |at: usize, sign: &'static str| {
        let token = &tokens[at];
        if token.kind == Kind::Sign(sign) {
            return Ok(at + 1);
        }
        let message = format!("syntax error: unexpected {}, expecting {sign:?}", token.kind.describe());
        Err(unexpected(text, token, &message))
    };
    let mut at = expect(at, "{")?;
    let mut matchers = Vec::new();
    while tokens[at].kind != Kind::Sign("}") {
        if !matchers.is_empty() {
            at = expect(at, ",")?;
            if tokens[at].kind == Kind::Sign("}") {
                break;
            }
        }
        matchers.push(matcher(text, tokens, at)?);
        at += 3;
    }
    Ok((matchers, at + 1))
}

/// Reads a matcher, three tokens from `at` on.
pub(super) fn matcher(text: &str, tokens: &[Token], at: usize) -> Result<Matcher, ParseError> {
    let get = |at: usize| &tokens[at.min(tokens.len() - 1)];
    let (name, op, value) = (get(at), get(at + 1), get(at + 2));
    let fail = |token: &Token, expected: &str| {
        let message = format!(
            "syntax error: unexpected {}, expecting {expected}",
            token.kind.describe()
        );
        Err(unexpected(text, token, &message))
    };
    let Kind::Word(label) = &name.kind else {
        return fail(name, "IDENTIFIER or }");
    };
    let op_kind = match op.kind {
        Kind::Sign("=") => MatchOp::Equal,
        Kind::Sign("!=") => MatchOp::NotEqual,
        Kind::Sign("=~") => MatchOp::Regex,
        Kind::Sign("!~") => MatchOp::NotRegex,
        _ => return fail(op, "=, !=, =~ or !~"),
    };
    let Kind::Text(wanted) = &value.kind else {
        return fail(value, "STRING");
    };
    Matcher::new(label, op_kind, wanted).map_err(|error| unexpected(text, value, &error.to_string()))
}
