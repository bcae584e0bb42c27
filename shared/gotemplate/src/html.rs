//! Escapes values for the place in an HTML document where they stand.
//!
//! The literal text of the template moves a small tokenizer; a value is escaped for the state that it meets: text,
//! attribute, URL, style or script (`html/template` of Go, whose results this gives for what notification and
//! console templates hold). Where Go refuses a template as ambiguous, this escapes for the place as found.

use crate::value::Value;

/// What Go puts in place of a value that cannot be made safe.
const REFUSED: &str = "ZgotmplZ";

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    Comment,
    /// After `<`: the name of a tag.
    TagName,
    /// In a tag, before an attribute's name or within it.
    Attribute,
    /// After `=`.
    BeforeValue,
    /// In an attribute's value, until this quote; a space where it has none.
    Value(char, Kind),
    /// The body of an element that holds no markup.
    Raw(Element),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Plain,
    Url,
    Style,
    Script,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Element {
    Script,
    Style,
    Title,
    Textarea,
}

impl Element {
    fn of(tag: &str) -> Option<Self> {
        Some(match tag {
            "script" => Self::Script,
            "style" => Self::Style,
            "title" => Self::Title,
            "textarea" => Self::Textarea,
            _ => return None,
        })
    }

    fn closing(self) -> &'static str {
        match self {
            Self::Script => "</script",
            Self::Style => "</style",
            Self::Title => "</title",
            Self::Textarea => "</textarea",
        }
    }
}

/// The state of one document being written.
#[derive(Debug, Default)]
pub(crate) struct Escaper {
    state: State,
    /// The tag and the attribute being read.
    tag: String,
    attribute: String,
    /// What has been written of the URL in the current attribute.
    url: String,
}

impl Escaper {
    /// Writes literal text of the template. Comments are left out, as Go does.
    pub(crate) fn write_text(&mut self, out: &mut String, text: &str) {
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            match self.state {
                State::Comment => match rest.find("-->") {
                    Some(end) => {
                        self.state = State::Text;
                        rest = &rest[end + 3..];
                    }
                    None => return,
                },
                State::Text if rest.starts_with("<!--") => {
                    self.state = State::Comment;
                    rest = &rest[4..];
                }
                _ => {
                    out.push(c);
                    self.advance(c, rest);
                    rest = &rest[c.len_utf8()..];
                }
            }
        }
    }

    fn advance(&mut self, c: char, rest: &str) {
        match self.state {
            State::Comment => {}
            State::Text => {
                let after = rest[1.min(rest.len())..].trim_start_matches('/');
                if c == '<' && after.starts_with(|c: char| c.is_ascii_alphabetic()) {
                    self.state = State::TagName;
                    self.tag.clear();
                    self.attribute.clear();
                }
            }
            State::TagName => match c {
                '>' => self.end_tag(),
                c if c.is_whitespace() => self.state = State::Attribute,
                c => self.tag.push(c.to_ascii_lowercase()),
            },
            State::Attribute => match c {
                '>' => self.end_tag(),
                '=' => self.state = State::BeforeValue,
                c if c.is_whitespace() || c == '/' => self.attribute.clear(),
                c => self.attribute.push(c.to_ascii_lowercase()),
            },
            State::BeforeValue => match c {
                '>' => self.end_tag(),
                c if c.is_whitespace() => {}
                '"' | '\'' => self.begin_value(c),
                c => {
                    self.begin_value(' ');
                    self.url.push(c);
                }
            },
            State::Value(quote, _) => {
                if c == quote || (quote == ' ' && c.is_whitespace()) {
                    self.state = State::Attribute;
                    self.attribute.clear();
                } else if quote == ' ' && c == '>' {
                    self.end_tag();
                } else {
                    self.url.push(c);
                }
            }
            State::Raw(element) => {
                let closing = element.closing();
                if rest
                    .get(..closing.len())
                    .is_some_and(|head| head.eq_ignore_ascii_case(closing))
                {
                    self.state = State::TagName;
                    self.tag.clear();
                }
            }
        }
    }

    fn begin_value(&mut self, quote: char) {
        self.url.clear();
        let kind = match self.attribute.as_str() {
            "href" | "src" | "action" | "formaction" | "cite" | "poster" | "background" | "data" | "longdesc"
            | "manifest" | "profile" | "usemap" | "codebase" | "classid" | "icon" | "archive" | "xmlns" => Kind::Url,
            "style" => Kind::Style,
            name if name.starts_with("on") => Kind::Script,
            _ => Kind::Plain,
        };
        self.state = State::Value(quote, kind);
    }

    fn end_tag(&mut self) {
        self.state = match Element::of(&self.tag) {
            Some(element) => State::Raw(element),
            None => State::Text,
        };
    }

    /// Writes a value, shown as `text`.
    pub(crate) fn write_value(&mut self, out: &mut String, value: &Value, text: &str) {
        if self.state == State::BeforeValue {
            self.begin_value(' ');
        }
        match self.state {
            State::Comment => {}
            State::Text => match value {
                Value::Html(_) => out.push_str(text),
                _ => out.push_str(&escape(text, false)),
            },
            State::Raw(Element::Title | Element::Textarea) => out.push_str(&escape(text, false)),
            State::Raw(Element::Script) => out.push_str(&script_value(value)),
            State::Raw(Element::Style) => out.push_str(style_value(text)),
            State::TagName => out.push_str(name_value(text)),
            State::Attribute => {
                let safe = name_value(text);
                out.push_str(safe);
                self.attribute.push_str(safe);
            }
            State::BeforeValue => {}
            State::Value(quote, kind) => {
                let safe = match kind {
                    Kind::Plain => text.to_owned(),
                    Kind::Style => style_value(text).to_owned(),
                    Kind::Script => script_value(value),
                    Kind::Url => self.url_value(value, text),
                };
                let unquoted = quote == ' ';
                if unquoted && safe.is_empty() {
                    out.push_str(REFUSED);
                }
                out.push_str(&escape(&safe, unquoted));
                self.url.push_str(&safe);
            }
        }
    }

    /// Encodes a part of a URL: fully within its query, otherwise only what can never stand in one.
    fn url_value(&self, value: &Value, text: &str) -> String {
        let in_query = self.url.contains(['?', '#']);
        let trusted = matches!(value, Value::Url(_));
        if in_query && !trusted {
            return percent_encode(text, false);
        }
        if self.url.is_empty() && !trusted && !has_safe_scheme(text) {
            return format!("#{REFUSED}");
        }
        percent_encode(text, true)
    }
}

fn has_safe_scheme(url: &str) -> bool {
    match url.split_once(':') {
        Some((scheme, _)) if !scheme.contains('/') => ["http", "https", "mailto"]
            .iter()
            .any(|safe| scheme.eq_ignore_ascii_case(safe)),
        _ => true,
    }
}

/// Encodes what is not unreserved; `keep_reserved` keeps the characters that give a URL its form and what is encoded.
fn percent_encode(text: &str, keep_reserved: bool) -> String {
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len());
    for (index, &byte) in bytes.iter().enumerate() {
        let is_hex = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_hexdigit);
        let kept = byte.is_ascii_alphanumeric()
            || b"-._~".contains(&byte)
            || (keep_reserved && b"!#$&*+,/:;=?@[]".contains(&byte))
            || (keep_reserved && byte == b'%' && is_hex(index + 1) && is_hex(index + 2));
        if kept {
            out.push(byte as char);
        } else {
            out.push_str(&format!("%{byte:02x}"));
        }
    }
    out
}

fn escape(text: &str, unquoted: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\0' => out.push('\u{fffd}'),
            '"' => out.push_str("&#34;"),
            '&' => out.push_str("&amp;"),
            '\'' => out.push_str("&#39;"),
            '+' => out.push_str("&#43;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c if unquoted && (c.is_whitespace() || matches!(c, '=' | '`')) => {
                out.push_str(&format!("&#{};", c as u32));
            }
            c => out.push(c),
        }
    }
    out
}

/// A value as a JavaScript expression.
fn script_value(value: &Value) -> String {
    crate::json::to_json(value).unwrap_or_else(|_| "null".to_owned())
}

/// A value within a style: words, numbers and colours only.
fn style_value(text: &str) -> &str {
    let harmless = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '#' | '%' | '.' | ',' | '-' | '_' | '!');
    let lower = text.to_ascii_lowercase();
    if text.chars().all(harmless) && !lower.contains("expression") && !lower.contains("mozbinding") {
        text
    } else {
        REFUSED
    }
}

/// A value as the name of a tag or an attribute.
fn name_value(text: &str) -> &str {
    let harmless = text.chars().all(|c| c.is_ascii_alphanumeric());
    if harmless && !text.to_ascii_lowercase().starts_with("on") {
        text
    } else {
        REFUSED
    }
}
