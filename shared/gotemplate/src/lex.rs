//! Cuts a template into tokens (`text/template/parse/lex.go` of Go).

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    Error,
    Bool,
    Char,
    CharConstant,
    Assign,
    Declare,
    Eof,
    Field,
    Identifier,
    LeftDelim,
    LeftParen,
    Number,
    Pipe,
    RawString,
    RightDelim,
    RightParen,
    Space,
    String,
    Text,
    Variable,
    Dot,
    Block,
    Break,
    Continue,
    Define,
    Else,
    End,
    If,
    Nil,
    Range,
    Template,
    With,
}

impl TokenKind {
    fn keyword(word: &str) -> Option<Self> {
        Some(match word {
            "block" => Self::Block,
            "break" => Self::Break,
            "continue" => Self::Continue,
            "define" => Self::Define,
            "else" => Self::Else,
            "end" => Self::End,
            "if" => Self::If,
            "nil" => Self::Nil,
            "range" => Self::Range,
            "template" => Self::Template,
            "with" => Self::With,
            _ => return None,
        })
    }
}

/// A token: `text` is its source, or the message of an error.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    /// Byte offset in the source.
    pub(crate) position: usize,
    pub(crate) text: String,
}

impl Token {
    /// As the parser's error messages show a token.
    pub(crate) fn shown(&self) -> String {
        let is_keyword = self.kind == TokenKind::Dot || TokenKind::keyword(&self.text) == Some(self.kind);
        match self.kind {
            TokenKind::Eof => "EOF".to_owned(),
            TokenKind::Error => self.text.clone(),
            _ if is_keyword => format!("<{}>", self.text),
            _ if self.text.len() > 10 => {
                format!(
                    "{}...",
                    parapet_model::quote(&self.text.chars().take(10).collect::<String>())
                )
            }
            _ => parapet_model::quote(&self.text),
        }
    }
}

struct Lexer<'a> {
    input: &'a str,
    start: usize,
    position: usize,
    paren_depth: usize,
    tokens: Vec<Token>,
}

const SPACES: [char; 4] = [' ', '\t', '\r', '\n'];

/// All tokens; the last is [`TokenKind::Eof`] or [`TokenKind::Error`].
pub(crate) fn lex(input: &str) -> Vec<Token> {
    let mut lexer = Lexer {
        input,
        start: 0,
        position: 0,
        paren_depth: 0,
        tokens: Vec::new(),
    };
    if let Err(message) = lexer.run() {
        lexer.tokens.push(Token {
            kind: TokenKind::Error,
            position: lexer.start,
            text: message,
        });
    }
    lexer.tokens
}

fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

/// Go's `%#U`.
fn code_point(c: char) -> String {
    if c.is_control() || (c.is_whitespace() && c != ' ') || c == '\u{feff}' {
        format!("U+{:04X}", c as u32)
    } else {
        format!("U+{:04X} '{c}'", c as u32)
    }
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.input[self.position..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.position += c.len_utf8();
        Some(c)
    }

    fn accept(&mut self, test: impl Fn(char) -> bool) -> bool {
        match self.peek() {
            Some(c) if test(c) => {
                self.position += c.len_utf8();
                true
            }
            _ => false,
        }
    }

    fn emit(&mut self, kind: TokenKind) {
        let text = self.input[self.start..self.position].to_owned();
        self.tokens.push(Token {
            kind,
            position: self.start,
            text,
        });
        self.start = self.position;
    }

    fn run(&mut self) -> Result<(), String> {
        loop {
            let Some(offset) = self.rest().find("{{") else {
                self.position = self.input.len();
                if self.position > self.start {
                    self.emit(TokenKind::Text);
                }
                self.emit(TokenKind::Eof);
                return Ok(());
            };
            let delimiter = self.position + offset;
            let trimmed = is_left_trim(&self.input[delimiter + 2..]);
            let text = &self.input[self.start..delimiter];
            let text_length = if trimmed {
                text.trim_end_matches(SPACES).len()
            } else {
                text.len()
            };
            self.position = self.start + text_length;
            if self.position > self.start {
                self.emit(TokenKind::Text);
            }
            self.start = delimiter;
            self.position = delimiter + 2;
            let after_marker = self.position + if trimmed { 2 } else { 0 };
            if self.input[after_marker..].starts_with("/*") {
                self.position = after_marker;
                self.comment()?;
                continue;
            }
            self.emit(TokenKind::LeftDelim);
            self.position = after_marker;
            self.start = self.position;
            self.paren_depth = 0;
            self.action()?;
        }
    }

    fn comment(&mut self) -> Result<(), String> {
        let end = self.rest().find("*/").ok_or("unclosed comment")?;
        self.position += end + 2;
        let trimmed = match self.right_delim() {
            Some(trimmed) => trimmed,
            None => return Err("comment ends before closing delimiter".to_owned()),
        };
        self.position += if trimmed { 4 } else { 2 };
        self.after_right_delim(trimmed);
        Ok(())
    }

    /// Whether the closing delimiter is next, and if so whether with a trim marker.
    fn right_delim(&self) -> Option<bool> {
        let rest = self.rest();
        if rest.starts_with("}}") {
            return Some(false);
        }
        let marked = rest.strip_prefix(SPACES)?.starts_with("-}}");
        marked.then_some(true)
    }

    fn after_right_delim(&mut self, trimmed: bool) {
        if trimmed {
            let rest = self.rest();
            self.position += rest.len() - rest.trim_start_matches(SPACES).len();
        }
        self.start = self.position;
    }

    /// The inside of `{{ }}`, closing delimiter included.
    fn action(&mut self) -> Result<(), String> {
        loop {
            if let Some(trimmed) = self.right_delim() {
                if self.paren_depth > 0 {
                    return Err("unclosed left paren".to_owned());
                }
                if trimmed {
                    self.position += 2;
                    self.start = self.position;
                }
                self.position += 2;
                self.emit(TokenKind::RightDelim);
                self.after_right_delim(trimmed);
                return Ok(());
            }
            let Some(c) = self.next() else {
                return Err("unclosed action".to_owned());
            };
            match c {
                ' ' | '\t' | '\r' | '\n' => {
                    while self.right_delim().is_none() && self.accept(|c| SPACES.contains(&c)) {}
                    self.emit(TokenKind::Space);
                }
                '=' => self.emit(TokenKind::Assign),
                ':' => {
                    if !self.accept(|c| c == '=') {
                        return Err("expected :=".to_owned());
                    }
                    self.emit(TokenKind::Declare);
                }
                '|' => self.emit(TokenKind::Pipe),
                '"' => self.quoted('"', TokenKind::String, "unterminated quoted string")?,
                '\'' => self.quoted('\'', TokenKind::CharConstant, "unterminated character constant")?,
                '`' => {
                    let end = self.rest().find('`').ok_or("unterminated raw quoted string")?;
                    self.position += end + 1;
                    self.emit(TokenKind::RawString);
                }
                '$' => self.field_or_variable(TokenKind::Variable)?,
                '.' if !self.peek().is_some_and(|c| c.is_ascii_digit()) => self.field_or_variable(TokenKind::Field)?,
                '.' | '+' | '-' | '0'..='9' => {
                    self.position -= 1;
                    self.number()?;
                }
                c if is_word(c) => self.identifier()?,
                '(' => {
                    self.emit(TokenKind::LeftParen);
                    self.paren_depth += 1;
                }
                ')' => {
                    if self.paren_depth == 0 {
                        return Err("unexpected right paren".to_owned());
                    }
                    self.emit(TokenKind::RightParen);
                    self.paren_depth -= 1;
                }
                c if c.is_ascii() && !c.is_ascii_control() => self.emit(TokenKind::Char),
                c => return Err(format!("unrecognized character in action: {}", code_point(c))),
            }
        }
    }

    fn at_terminator(&self) -> bool {
        match self.peek() {
            None => true,
            Some(c) => SPACES.contains(&c) || ".,|:)(}".contains(c),
        }
    }

    fn check_terminator(&self) -> Result<(), String> {
        if self.at_terminator() {
            return Ok(());
        }
        Err(format!(
            "bad character {}",
            self.peek().map(code_point).unwrap_or_default()
        ))
    }

    fn identifier(&mut self) -> Result<(), String> {
        while self.accept(is_word) {}
        self.check_terminator()?;
        let word = &self.input[self.start..self.position];
        let kind = match word {
            "true" | "false" => TokenKind::Bool,
            _ => TokenKind::keyword(word).unwrap_or(TokenKind::Identifier),
        };
        self.emit(kind);
        Ok(())
    }

    fn field_or_variable(&mut self, kind: TokenKind) -> Result<(), String> {
        if self.at_terminator() {
            self.emit(if kind == TokenKind::Variable {
                kind
            } else {
                TokenKind::Dot
            });
            return Ok(());
        }
        while self.accept(is_word) {}
        self.check_terminator()?;
        self.emit(kind);
        Ok(())
    }

    fn quoted(&mut self, quote: char, kind: TokenKind, unterminated: &str) -> Result<(), String> {
        loop {
            match self.next() {
                Some('\\') if self.peek().is_some_and(|c| c != '\n') => {
                    self.next();
                }
                None | Some('\n' | '\\') => return Err(unterminated.to_owned()),
                Some(c) if c == quote => break,
                Some(_) => {}
            }
        }
        self.emit(kind);
        Ok(())
    }

    fn number(&mut self) -> Result<(), String> {
        self.accept(|c| c == '+' || c == '-');
        let mut is_digit: fn(char) -> bool = |c| c.is_ascii_digit() || c == '_';
        if self.accept(|c| c == '0') {
            if self.accept(|c| c == 'x' || c == 'X') {
                is_digit = |c| c.is_ascii_hexdigit() || c == '_';
            } else if self.accept(|c| "oObB".contains(c)) {
                is_digit = |c| c.is_digit(8) || c == '_';
            }
        }
        while self.accept(is_digit) {}
        if self.accept(|c| c == '.') {
            while self.accept(is_digit) {}
        }
        if self.accept(|c| "eEpP".contains(c)) {
            self.accept(|c| c == '+' || c == '-');
            while self.accept(|c| c.is_ascii_digit() || c == '_') {}
        }
        if self.accept(is_word) {
            return Err(format!(
                "bad number syntax: {}",
                parapet_model::quote(&self.input[self.start..self.position])
            ));
        }
        self.emit(TokenKind::Number);
        Ok(())
    }
}

/// Whether the text after `{{` starts with a trim marker: a minus followed by white space.
fn is_left_trim(after_delimiter: &str) -> bool {
    after_delimiter
        .strip_prefix('-')
        .is_some_and(|rest| rest.starts_with(SPACES))
}
