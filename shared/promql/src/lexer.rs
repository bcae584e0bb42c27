//! Cuts a query's text into [`Token`]s, as `promql/parser/lex.go` of Prometheus does.
//!
//! The whole text is cut before parsing starts; a mistake becomes the last token, so that the parser reports it
//! when it gets there, after whatever is wrong before it.

pub(crate) mod literal;
mod token;

pub(crate) use token::{Keyword, Token, TokenKind};

use crate::ast::{AggregateOp, BinaryOp, PositionRange};
use parapet_model::quote;

/// The tokens of `text`, the last of them [`TokenKind::End`] or [`TokenKind::Error`]. Comments are left out.
pub(crate) fn tokenize(text: &str) -> Vec<Token<'_>> {
    let mut lexer = Lexer::new(text);
    let mut mode = Some(Mode::Statements);
    while let Some(current) = mode {
        mode = match current {
            Mode::Statements if lexer.brace_open => lexer.inside_braces(),
            Mode::Statements => lexer.statement(),
            Mode::Duration => lexer.duration_expression(),
        }
        .unwrap_or_else(|message| {
            lexer.fail(message);
            None
        });
    }
    lexer.tokens
}

/// What the next token is expected to be part of.
#[derive(Clone, Copy)]
enum Mode {
    Statements,
    /// Right behind a bracket, up to the first literal.
    Duration,
}

type Next = Result<Option<Mode>, String>;

struct Lexer<'a> {
    text: &'a str,
    /// Start of the token being read.
    start: usize,
    /// Behind the last character read.
    at: usize,
    tokens: Vec<Token<'a>>,
    /// The line of `start`, from 1, and where it starts.
    line: u32,
    line_start: usize,
    /// Up to where lines are counted.
    counted: usize,
    paren_depth: usize,
    brace_open: bool,
    bracket_open: bool,
    got_colon: bool,
    got_duration: bool,
}

impl<'a> Lexer<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            text,
            start: 0,
            at: 0,
            tokens: Vec::new(),
            line: 1,
            line_start: 0,
            counted: 0,
            paren_depth: 0,
            brace_open: false,
            bracket_open: false,
            got_colon: false,
            got_duration: false,
        }
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn accept(&mut self, test: impl Fn(char) -> bool) -> bool {
        match self.peek() {
            Some(c) if test(c) => {
                self.at += c.len_utf8();
                true
            }
            _ => false,
        }
    }

    fn skip_while(&mut self, test: impl Fn(char) -> bool) {
        while self.accept(&test) {}
    }

    fn read(&self) -> &'a str {
        &self.text[self.start..self.at]
    }

    fn ignore(&mut self) {
        self.start = self.at;
    }

    /// From the token's start to `end`.
    fn position(&mut self, end: usize) -> PositionRange {
        if self.text.is_empty() {
            return PositionRange::default();
        }
        for (at, _) in self.text[self.counted..self.start].match_indices('\n') {
            self.line = self.line.saturating_add(1);
            self.line_start = self.counted + at + 1;
        }
        self.counted = self.start;
        let column = u32::try_from(self.start - self.line_start + 1).unwrap_or(u32::MAX);
        PositionRange {
            start: self.start,
            end,
            line: self.line,
            column,
        }
    }

    fn emit(&mut self, kind: TokenKind) {
        let position = self.position(self.at);
        self.tokens.push(Token {
            kind,
            text: self.read(),
            position,
        });
        self.start = self.at;
    }

    fn fail(&mut self, message: String) {
        let position = self.position(self.text.len());
        self.tokens.push(Token {
            kind: TokenKind::Error(message),
            text: "",
            position,
        });
    }

    fn statement(&mut self) -> Next {
        let Some(c) = self.next() else {
            if self.paren_depth != 0 {
                return Err("unclosed left parenthesis".to_owned());
            }
            if self.bracket_open {
                return Err("unclosed left bracket".to_owned());
            }
            self.emit(TokenKind::End);
            return Ok(None);
        };
        let digit_follows = self.peek().is_some_and(|next| next.is_ascii_digit());
        match c {
            '#' => self.comment(),
            ',' => self.emit(TokenKind::Comma),
            _ if is_space(c) => {
                self.skip_while(is_space);
                self.ignore();
            }
            '*' => self.emit(TokenKind::Binary(BinaryOp::Mul)),
            '/' => self.emit(TokenKind::Binary(BinaryOp::Div)),
            '%' => self.emit(TokenKind::Binary(BinaryOp::Mod)),
            '+' => self.emit(TokenKind::Binary(BinaryOp::Add)),
            '-' => self.emit(TokenKind::Binary(BinaryOp::Sub)),
            '^' => self.emit(TokenKind::Binary(BinaryOp::Pow)),
            '=' => match self.peek() {
                Some('=') => self.two(TokenKind::Binary(BinaryOp::Equal)),
                Some('~') => return Err("unexpected character after '=': '~'".to_owned()),
                _ => self.emit(TokenKind::Assign),
            },
            '!' => match self.next() {
                Some('=') => self.emit(TokenKind::Binary(BinaryOp::NotEqual)),
                other => return Err(format!("unexpected character after '!': {}", quote_char(other))),
            },
            '<' => match self.peek() {
                Some('=') => self.two(TokenKind::Binary(BinaryOp::LessOrEqual)),
                Some('/') => self.two(TokenKind::Binary(BinaryOp::TrimUpper)),
                _ => self.emit(TokenKind::Binary(BinaryOp::Less)),
            },
            '>' => match self.peek() {
                Some('=') => self.two(TokenKind::Binary(BinaryOp::GreaterOrEqual)),
                Some('/') => self.two(TokenKind::Binary(BinaryOp::TrimLower)),
                _ => self.emit(TokenKind::Binary(BinaryOp::Greater)),
            },
            _ if c.is_ascii_digit() || (c == '.' && digit_follows) => {
                self.at = self.start;
                self.number_or_duration()?;
            }
            '"' | '\'' => self.string(c)?,
            '`' => self.raw_string()?,
            _ if is_alpha(c) || c == ':' => self.word(c)?,
            '(' => {
                self.emit(TokenKind::LeftParen);
                self.paren_depth += 1;
            }
            ')' => self.close_paren()?,
            '{' => {
                self.emit(TokenKind::LeftBrace);
                self.brace_open = true;
            }
            '[' => {
                if self.bracket_open {
                    return Err("unexpected left bracket '['".to_owned());
                }
                self.got_colon = false;
                self.emit(TokenKind::LeftBracket);
                self.skip_while(is_space);
                self.ignore();
                self.bracket_open = true;
                return Ok(Some(Mode::Duration));
            }
            ']' => {
                if !self.bracket_open {
                    return Err("unexpected right bracket ']'".to_owned());
                }
                self.emit(TokenKind::RightBracket);
                self.bracket_open = false;
            }
            '@' => self.emit(TokenKind::At),
            _ => return Err(format!("unexpected character: {}", quote_char(Some(c)))),
        }
        Ok(Some(Mode::Statements))
    }

    /// A token of two characters, of which the first is read.
    fn two(&mut self, kind: TokenKind) {
        self.next();
        self.emit(kind);
    }

    fn comment(&mut self) {
        self.skip_while(|c| c != '\n' && c != '\r');
        self.ignore();
    }

    fn close_paren(&mut self) -> Result<(), String> {
        self.emit(TokenKind::RightParen);
        match self.paren_depth.checked_sub(1) {
            Some(depth) => {
                self.paren_depth = depth;
                Ok(())
            }
            None => {
                // The parenthesis itself is no token of the text then.
                self.tokens.pop();
                Err("unexpected right parenthesis ')'".to_owned())
            }
        }
    }

    /// A keyword, a name or, in brackets, a colon or one of the duration functions.
    fn word(&mut self, first: char) -> Result<(), String> {
        if !self.bracket_open {
            self.keyword_or_identifier();
            return Ok(());
        }
        if first == ':' {
            if self.got_colon {
                return Err("unexpected colon ':'".to_owned());
            }
            self.emit(TokenKind::Colon);
            self.got_colon = true;
            return Ok(());
        }
        if starts_duration_keyword(first) && self.duration_keyword() {
            return Ok(());
        }
        Err(format!(
            "unexpected character: {}, expected ':'",
            quote_char(Some(first))
        ))
    }

    fn keyword_or_identifier(&mut self) {
        self.skip_while(|c| is_alphanumeric(c) || c == ':');
        let word = self.read();
        let kind = match keyword(&word.to_ascii_lowercase()) {
            // So that a metric may still be called `fill`.
            Some(TokenKind::Keyword(Keyword::Fill | Keyword::FillLeft | Keyword::FillRight))
                if !self.text[self.at..].trim_start_matches(is_space).starts_with('(') =>
            {
                TokenKind::Identifier
            }
            Some(kind) => kind,
            None if word.contains(':') => TokenKind::MetricIdentifier,
            None => TokenKind::Identifier,
        };
        self.emit(kind);
    }

    fn duration_keyword(&mut self) -> bool {
        self.skip_while(is_alpha);
        let kind = match self.read().to_ascii_lowercase().as_str() {
            "step" => Keyword::Step,
            "range" => Keyword::Range,
            "max_of" => Keyword::MaxOf,
            "min_of" => Keyword::MinOf,
            _ => return false,
        };
        self.emit(TokenKind::Keyword(kind));
        true
    }

    fn inside_braces(&mut self) -> Next {
        let Some(c) = self.next() else {
            return Err("unexpected end of input inside braces".to_owned());
        };
        match c {
            '#' => self.comment(),
            _ if is_space(c) => {
                self.skip_while(is_space);
                self.ignore();
            }
            _ if is_alpha(c) => {
                self.skip_while(is_alphanumeric);
                self.emit(TokenKind::Identifier);
            }
            ',' => self.emit(TokenKind::Comma),
            '"' | '\'' => self.string(c)?,
            '`' => self.raw_string()?,
            '=' if self.accept(|c| c == '~') => self.emit(TokenKind::Matches),
            '=' => self.emit(TokenKind::Assign),
            '!' => match self.next() {
                Some('~') => self.emit(TokenKind::MatchesNot),
                Some('=') => self.emit(TokenKind::Binary(BinaryOp::NotEqual)),
                other => {
                    return Err(format!(
                        "unexpected character after '!' inside braces: {}",
                        quote_char(other)
                    ));
                }
            },
            '{' => return Err("unexpected left brace '{'".to_owned()),
            '}' => {
                self.emit(TokenKind::RightBrace);
                self.brace_open = false;
            }
            _ => return Err(format!("unexpected character inside braces: {}", quote_char(Some(c)))),
        }
        Ok(Some(Mode::Statements))
    }

    /// Behind a left bracket, before the first literal.
    fn duration_expression(&mut self) -> Next {
        let Some(c) = self.next() else {
            return Err("unexpected end of input in duration expression".to_owned());
        };
        let digit_follows = self.peek().is_some_and(|next| next.is_ascii_digit());
        match c {
            ']' => {
                self.emit(TokenKind::RightBracket);
                self.bracket_open = false;
                self.got_colon = false;
                return Ok(Some(Mode::Statements));
            }
            ':' => {
                if !self.got_duration {
                    self.ignore();
                    return Err("unexpected colon before duration in duration expression".to_owned());
                }
                if self.got_colon {
                    self.ignore();
                    return Err("unexpected repeated colon in duration expression".to_owned());
                }
                self.emit(TokenKind::Colon);
                self.got_colon = true;
            }
            '(' => {
                self.emit(TokenKind::LeftParen);
                self.paren_depth += 1;
            }
            ')' => self.close_paren()?,
            _ if is_space(c) => {
                self.skip_while(is_space);
                self.ignore();
            }
            '+' => self.emit(TokenKind::Binary(BinaryOp::Add)),
            '-' => self.emit(TokenKind::Binary(BinaryOp::Sub)),
            '*' => self.emit(TokenKind::Binary(BinaryOp::Mul)),
            '/' => self.emit(TokenKind::Binary(BinaryOp::Div)),
            '%' => self.emit(TokenKind::Binary(BinaryOp::Mod)),
            '^' => self.emit(TokenKind::Binary(BinaryOp::Pow)),
            ',' => self.emit(TokenKind::Comma),
            _ if starts_duration_keyword(c) && self.duration_keyword() => {}
            _ if c.is_ascii_digit() || (c == '.' && digit_follows) => {
                self.at = self.start;
                self.got_duration = true;
                self.number_or_duration()?;
                return Ok(Some(Mode::Statements));
            }
            _ => {
                return Err(format!(
                    "unexpected character in duration expression: {}",
                    quote_char(Some(c))
                ));
            }
        }
        Ok(Some(Mode::Duration))
    }
}

fn keyword(word: &str) -> Option<TokenKind> {
    if let Some(op) = AggregateOp::ALL.into_iter().find(|op| op.as_str() == word) {
        return Some(TokenKind::Aggregate(op));
    }
    Some(match word {
        "and" => TokenKind::Binary(BinaryOp::And),
        "or" => TokenKind::Binary(BinaryOp::Or),
        "unless" => TokenKind::Binary(BinaryOp::Unless),
        "atan2" => TokenKind::Binary(BinaryOp::Atan2),
        "inf" | "nan" => TokenKind::Number,
        _ => TokenKind::Keyword(Keyword::find(word)?),
    })
}

fn starts_duration_keyword(c: char) -> bool {
    matches!(c.to_ascii_lowercase(), 's' | 'r' | 'm')
}

pub(crate) fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

fn is_alpha(c: char) -> bool {
    c == '_' || c.is_ascii_alphabetic()
}

fn is_alphanumeric(c: char) -> bool {
    is_alpha(c) || c.is_ascii_digit()
}

/// A character as Go's `%q` writes it; the end of the text as the replacement character.
fn quote_char(c: Option<char>) -> String {
    match c.unwrap_or('\u{fffd}') {
        '\'' => r"'\''".to_owned(),
        '"' => "'\"'".to_owned(),
        c => {
            let quoted = quote(c.encode_utf8(&mut [0; 4]));
            format!("'{}'", &quoted[1..quoted.len() - 1])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<TokenKind> {
        tokenize(text).into_iter().map(|token| token.kind).collect()
    }

    #[test]
    fn keywords_depend_on_where_they_stand() {
        assert_eq!(kinds("fill + fill")[0], TokenKind::Identifier);
        assert_eq!(kinds("fill (1)")[0], TokenKind::Keyword(Keyword::Fill));
        assert_eq!(kinds("{sum=\"\"}")[1], TokenKind::Identifier);
        assert_eq!(kinds("a:b")[0], TokenKind::MetricIdentifier);
        assert_eq!(kinds("BY")[0], TokenKind::Keyword(Keyword::By));
    }

    #[test]
    fn a_mistake_is_the_last_token() {
        for (text, message) in [
            ("foo ยง", "unexpected character: 'ย'"),
            ("a[5m x]", "unexpected character: 'x', expected ':'"),
            ("a[:5m]", "unexpected colon before duration in duration expression"),
            ("\"\\", "escape sequence not terminated"),
            ("!", "unexpected character after '!': '\u{fffd}'"),
        ] {
            assert_eq!(kinds(text).pop(), Some(TokenKind::Error(message.to_owned())), "{text}");
        }
    }
}
