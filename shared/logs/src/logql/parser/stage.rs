//! Stages of a pipeline.

use super::super::ast::{
    Comparison, LabelFilter, LabelSource, LineFilter, LineOp, LineOperand, NamedMatcher, Quantity, Stage,
};
use super::super::lex::Kind;
use super::super::row::ERROR;
use super::super::selector::matcher;
use super::{Parser, Result};

impl Parser<'_> {
    /// Reads stages as long as there are some; `| unwrap` is left to the range.
    pub(super) fn stages(&mut self, stages: &mut Vec<Stage>) -> Result<()> {
        loop {
            let op = match self.peek() {
                Kind::Sign("|=") => LineOp::Contains,
                Kind::Sign("|~") => LineOp::Matches,
                Kind::Sign("|>") => LineOp::Pattern,
                Kind::Sign("!=") => LineOp::NotContains,
                Kind::Sign("!~") => LineOp::NotMatches,
                Kind::Sign("!>") => LineOp::NotPattern,
                Kind::Sign("|") if !self.unwraps() => {
                    self.at += 1;
                    stages.push(self.stage()?);
                    continue;
                }
                _ => return Ok(()),
            };
            // After a metric query `!=` compares; a line filter has a text or ip(…).
            self.at += 1;
            stages.push(Stage::Line(self.line_filter(op)?));
        }
    }

    /// Whether `| unwrap` stands here.
    pub(super) fn unwraps(&self) -> bool {
        self.is("|") && matches!(self.peek_after(1), Kind::Word(word) if word.eq_ignore_ascii_case("unwrap"))
    }

    fn line_filter(&mut self, op: LineOp) -> Result<LineFilter> {
        let mut operands = vec![self.line_operand()?];
        while self.take_word("or") {
            operands.push(self.line_operand()?);
        }
        let ip = operands.iter().any(|operand| matches!(operand, LineOperand::Ip(_)));
        if ip && !matches!(op, LineOp::Contains | LineOp::NotContains) {
            return Err(self.fail("ip: invalid match type; write |= ip(…) or != ip(…)"));
        }
        Ok(LineFilter { op, operands })
    }

    fn line_operand(&mut self) -> Result<LineOperand> {
        if self.is_word("ip") {
            return Ok(LineOperand::Ip(self.ip()?));
        }
        Ok(LineOperand::Text(self.string()?))
    }

    /// `ip("…")`.
    fn ip(&mut self) -> Result<String> {
        self.at += 1;
        self.expect("(")?;
        let pattern = self.string()?;
        self.expect(")")?;
        Ok(pattern)
    }

    fn stage(&mut self) -> Result<Stage> {
        let keyword = match self.peek() {
            // `json` may also be a label: then a comparison follows, but for one that is a filter of the line.
            Kind::Word(word) if !self.compares(1) || self.line_filter_follows(word) => word.to_ascii_lowercase(),
            _ => String::new(),
        };
        let known = matches!(
            keyword.as_str(),
            "json"
                | "logfmt"
                | "regexp"
                | "pattern"
                | "unpack"
                | "line_format"
                | "label_format"
                | "decolorize"
                | "drop"
                | "keep"
        );
        if !known {
            return Ok(Stage::Filter(self.label_filter()?));
        }
        self.at += 1;
        Ok(match keyword.as_str() {
            "json" => Stage::Json(self.extractions()?),
            "logfmt" => {
                let (mut strict, mut keep_empty) = (false, false);
                while let Kind::Flag(flag) = self.peek() {
                    strict |= flag == "--strict";
                    keep_empty |= flag == "--keep-empty";
                    self.at += 1;
                }
                Stage::Logfmt {
                    strict,
                    keep_empty,
                    labels: self.extractions()?,
                }
            }
            "regexp" => Stage::Regexp(self.string()?),
            "pattern" => Stage::Pattern(self.string()?),
            "unpack" => Stage::Unpack,
            "line_format" => Stage::LineFormat(self.string()?),
            "decolorize" => Stage::Decolorize,
            "label_format" => Stage::LabelFormat(self.label_formats()?),
            "drop" => Stage::Drop(self.named_matchers()?),
            _ => Stage::Keep(self.named_matchers()?),
        })
    }

    /// Whether a stage without arguments stands here, and a filter of the line behind it.
    fn line_filter_follows(&self, word: &str) -> bool {
        ["json", "logfmt", "unpack", "decolorize"].contains(&word.to_ascii_lowercase().as_str())
            && matches!(self.peek_after(1), Kind::Sign("!=" | "!~"))
    }

    fn compares(&self, after: usize) -> bool {
        matches!(
            self.peek_after(after),
            Kind::Sign("=" | "!=" | "=~" | "!~" | ">" | ">=" | "<" | "<=" | "==")
        )
    }

    /// `a, b="path"`.
    fn extractions(&mut self) -> Result<Vec<(String, String)>> {
        let mut labels = Vec::new();
        while matches!(self.peek(), Kind::Word(_)) {
            let label = self.word()?;
            let source = if self.take("=") { self.string()? } else { label.clone() };
            labels.push((label, source));
            if !self.take(",") {
                break;
            }
        }
        Ok(labels)
    }

    fn label_formats(&mut self) -> Result<Vec<(String, LabelSource)>> {
        let mut formats: Vec<(String, LabelSource)> = Vec::new();
        loop {
            let label = self.word()?;
            if label == ERROR {
                return Err(self.fail(format!("{ERROR} cannot be formatted")));
            }
            self.expect("=")?;
            let source = match self.peek().clone() {
                Kind::Word(word) => LabelSource::Label(word),
                Kind::Text(text) => LabelSource::Template(text),
                _ => return Err(self.unexpected("IDENTIFIER or STRING")),
            };
            self.at += 1;
            if formats.iter().any(|(other, _)| *other == label) {
                return Err(self.fail(format!(
                    "multiple label name '{label}' not allowed in a single format operation"
                )));
            }
            formats.push((label, source));
            if !self.take(",") {
                return Ok(formats);
            }
        }
    }

    fn named_matchers(&mut self) -> Result<Vec<NamedMatcher>> {
        let mut matchers = Vec::new();
        loop {
            matchers.push(if self.compares(1) {
                let matcher = matcher(self.text, &self.tokens, self.at)?;
                self.at += 3;
                NamedMatcher::Matcher(matcher)
            } else {
                NamedMatcher::Name(self.word()?)
            });
            if !self.take(",") {
                return Ok(matchers);
            }
        }
    }

    /// Filters joined by `and`, a comma, nothing, or `or`, which binds less.
    pub(super) fn label_filter(&mut self) -> Result<LabelFilter> {
        self.deeper()?;
        let mut filter = self.label_filter_and()?;
        while self.take_word("or") {
            filter = LabelFilter::Or(Box::new(filter), Box::new(self.label_filter_and()?));
        }
        self.depth -= 1;
        Ok(filter)
    }

    fn label_filter_and(&mut self) -> Result<LabelFilter> {
        let mut filter = self.label_filter_one()?;
        loop {
            let joined = self.take(",") || self.take_word("and");
            let follows = self.is("(") || (matches!(self.peek(), Kind::Word(_)) && self.compares(1));
            if !joined && !follows {
                return Ok(filter);
            }
            filter = LabelFilter::And(Box::new(filter), Box::new(self.label_filter_one()?));
        }
    }

    fn label_filter_one(&mut self) -> Result<LabelFilter> {
        if self.take("(") {
            let filter = self.label_filter()?;
            self.expect(")")?;
            return Ok(filter);
        }
        let start = self.at;
        let name = self.word()?;
        let op = match self.peek() {
            Kind::Sign("=" | "==") => Comparison::Equal,
            Kind::Sign("!=") => Comparison::NotEqual,
            Kind::Sign(">") => Comparison::Greater,
            Kind::Sign(">=") => Comparison::GreaterOrEqual,
            Kind::Sign("<") => Comparison::Less,
            Kind::Sign("<=") => Comparison::LessOrEqual,
            Kind::Sign("=~" | "!~") => {
                let matcher = matcher(self.text, &self.tokens, start)?;
                self.at = start + 3;
                return Ok(LabelFilter::Match(matcher));
            }
            _ => return Err(self.unexpected("a comparison such as =, =~ or >")),
        };
        self.at += 1;
        let value = match *self.peek() {
            Kind::Text(_) if matches!(op, Comparison::Equal | Comparison::NotEqual) => {
                let matcher = matcher(self.text, &self.tokens, start)?;
                self.at = start + 3;
                return Ok(LabelFilter::Match(matcher));
            }
            Kind::Word(ref word)
                if word.eq_ignore_ascii_case("ip") && matches!(op, Comparison::Equal | Comparison::NotEqual) =>
            {
                return Ok(LabelFilter::Ip {
                    name,
                    negated: op == Comparison::NotEqual,
                    pattern: self.ip()?,
                });
            }
            Kind::Duration(nanos) => Quantity::Duration(nanos),
            Kind::Bytes(bytes) => Quantity::Bytes(bytes),
            _ => {
                let number = self.number()?;
                return Ok(LabelFilter::Number {
                    name,
                    op,
                    value: Quantity::Number(number),
                });
            }
        };
        self.at += 1;
        Ok(LabelFilter::Number { name, op, value })
    }
}
