//! The tokens of the language.

use crate::ast::{AggregateOp, BinaryOp, PositionRange};
use parapet_model::quote;

/// A token and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Token<'a> {
    pub(crate) kind: TokenKind,
    pub(crate) text: &'a str,
    pub(crate) position: PositionRange,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// The text cannot be cut further; holds why.
    Error(String),
    End,
    Aggregate(AggregateOp),
    /// `=`
    Assign,
    At,
    Binary(BinaryOp),
    Colon,
    Comma,
    Duration,
    Identifier,
    Keyword(Keyword),
    LeftBrace,
    LeftBracket,
    LeftParen,
    /// `=~`
    Matches,
    /// `!~`
    MatchesNot,
    /// A name with a colon.
    MetricIdentifier,
    Number,
    RightBrace,
    RightBracket,
    RightParen,
    String,
}

/// Words with a meaning, other than operators and aggregations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keyword {
    Anchored,
    Bool,
    By,
    End,
    Fill,
    FillLeft,
    FillRight,
    GroupLeft,
    GroupRight,
    Ignoring,
    MaxOf,
    MinOf,
    Offset,
    On,
    Range,
    Smoothed,
    Start,
    Step,
    Without,
}

impl Keyword {
    pub(crate) fn find(word: &str) -> Option<Self> {
        Some(match word {
            "anchored" => Self::Anchored,
            "bool" => Self::Bool,
            "by" => Self::By,
            "end" => Self::End,
            "fill" => Self::Fill,
            "fill_left" => Self::FillLeft,
            "fill_right" => Self::FillRight,
            "group_left" => Self::GroupLeft,
            "group_right" => Self::GroupRight,
            "ignoring" => Self::Ignoring,
            "max_of" => Self::MaxOf,
            "min_of" => Self::MinOf,
            "offset" => Self::Offset,
            "on" => Self::On,
            "range" => Self::Range,
            "smoothed" => Self::Smoothed,
            "start" => Self::Start,
            "step" => Self::Step,
            "without" => Self::Without,
            _ => return None,
        })
    }

    /// Words that are also functions of the query's own times.
    pub(crate) fn may_be_called(self) -> bool {
        matches!(
            self,
            Self::Start | Self::End | Self::Step | Self::Range | Self::MaxOf | Self::MinOf
        )
    }
}

impl Token<'_> {
    /// The token as Prometheus' messages name it.
    pub(crate) fn describe(&self) -> String {
        let text = self.text;
        match &self.kind {
            TokenKind::Error(message) => message.clone(),
            TokenKind::End => "end of input".to_owned(),
            TokenKind::Identifier => format!("identifier {}", quote(text)),
            TokenKind::MetricIdentifier => format!("metric identifier {}", quote(text)),
            TokenKind::String => format!("string {}", quote_short(text)),
            TokenKind::Number => format!("number {}", quote_short(text)),
            TokenKind::Duration => format!("duration {}", quote_short(text)),
            TokenKind::Keyword(keyword) if !keyword.may_be_called() => format!("<{text}>"),
            TokenKind::Binary(_) | TokenKind::At | TokenKind::Matches | TokenKind::MatchesNot => {
                format!("<op:{text}>")
            }
            TokenKind::Aggregate(_) => format!("<aggr:{text}>"),
            _ => quote_short(text),
        }
    }

    /// Whether the token may be a metric's name.
    pub(crate) fn is_metric_name(&self) -> bool {
        match self.kind {
            TokenKind::Identifier | TokenKind::MetricIdentifier | TokenKind::Aggregate(_) => true,
            TokenKind::Binary(BinaryOp::And | BinaryOp::Or | BinaryOp::Unless) => true,
            TokenKind::Keyword(keyword) => !matches!(
                keyword,
                Keyword::Bool | Keyword::On | Keyword::Ignoring | Keyword::GroupLeft | Keyword::GroupRight
            ),
            _ => false,
        }
    }

    /// Whether an operand may begin with the token.
    pub(crate) fn starts_operand(&self) -> bool {
        use TokenKind::{Binary, Duration, LeftBrace, LeftParen, Number, String};
        self.is_metric_name()
            || matches!(self.kind, Number | Duration | String | LeftParen | LeftBrace)
            || matches!(self.kind, Binary(BinaryOp::Add | BinaryOp::Sub))
    }

    /// Whether the token may be a label's name in a list of them.
    pub(crate) fn is_grouping_label(&self) -> bool {
        match self.kind {
            TokenKind::Identifier | TokenKind::MetricIdentifier | TokenKind::Aggregate(_) => true,
            TokenKind::Binary(BinaryOp::And | BinaryOp::Or | BinaryOp::Unless | BinaryOp::Atan2) => true,
            TokenKind::Keyword(keyword) => keyword != Keyword::Without,
            _ => false,
        }
    }
}

/// In quotes; of a long text the first ten characters.
fn quote_short(text: &str) -> String {
    if text.len() > 10 {
        format!("{}...", quote(&text.chars().take(10).collect::<String>()))
    } else {
        quote(text)
    }
}
