//! What is wrong with a regular expression, in the words of Go's `regexp/syntax`, which users know from Prometheus.

use regex_syntax::ast::parse::ParserBuilder;
use regex_syntax::ast::{self, Ast, ErrorKind, RepetitionKind, RepetitionRange, Span, Visitor};
use regex_syntax::hir::translate::Translator;

/// Go's most of a counted repetition.
const MAX_REPEAT: u32 = 1000;

/// The fault of a pattern in the `regex` crate's syntax; also where that crate would take what Go does not: repetitions
/// of repetitions, and counts above 1000.
pub(super) fn find(pattern: &str) -> Option<String> {
    let ast = match ParserBuilder::new().build().parse(pattern) {
        Ok(ast) => ast,
        Err(error) => return Some(of_syntax(error.kind(), pattern, error.span())),
    };
    if let Err(fault) = ast::visit(&ast, Repetitions { pattern }) {
        return Some(fault);
    }
    let error = Translator::new().translate(pattern, &ast).err()?;
    Some(told("invalid character class range", text(pattern, error.span())))
}

fn told(what: &str, whereabouts: &str) -> String {
    format!("{what}: `{whereabouts}`")
}

fn text<'p>(pattern: &'p str, span: &Span) -> &'p str {
    pattern.get(span.start.offset..span.end.offset).unwrap_or(pattern)
}

fn of_syntax(kind: &ErrorKind, pattern: &str, span: &Span) -> String {
    let here = text(pattern, span);
    let rest = pattern.get(span.start.offset..).unwrap_or(pattern);
    match kind {
        ErrorKind::GroupUnclosed | ErrorKind::FlagUnexpectedEof => told("missing closing )", pattern),
        ErrorKind::GroupUnopened => told("unexpected )", pattern),
        ErrorKind::ClassUnclosed => told("missing closing ]", rest),
        ErrorKind::ClassRangeInvalid | ErrorKind::ClassRangeLiteral | ErrorKind::UnicodeClassInvalid => {
            told("invalid character class range", here)
        }
        ErrorKind::EscapeUnexpectedEof if here.ends_with('\\') => told("trailing backslash at end of expression", ""),
        ErrorKind::ClassEscapeInvalid
        | ErrorKind::EscapeHexEmpty
        | ErrorKind::EscapeHexInvalid
        | ErrorKind::EscapeHexInvalidDigit
        | ErrorKind::EscapeUnexpectedEof
        | ErrorKind::EscapeUnrecognized
        | ErrorKind::UnsupportedBackreference => told("invalid escape sequence", here),
        ErrorKind::RepetitionMissing => told("missing argument to repetition operator", repetition(rest)),
        ErrorKind::RepetitionCountInvalid | ErrorKind::DecimalInvalid => told("invalid repeat count", here),
        ErrorKind::GroupNameDuplicate { .. }
        | ErrorKind::GroupNameEmpty
        | ErrorKind::GroupNameInvalid
        | ErrorKind::GroupNameUnexpectedEof => told("invalid named capture", here),
        ErrorKind::FlagDanglingNegation
        | ErrorKind::FlagDuplicate { .. }
        | ErrorKind::FlagRepeatedNegation { .. }
        | ErrorKind::FlagUnrecognized
        | ErrorKind::UnsupportedLookAround => {
            let open = pattern[..span.end.offset].rfind("(?").unwrap_or(span.start.offset);
            let upto = pattern.get(open..span.end.offset).unwrap_or(pattern);
            told("invalid or unsupported Perl syntax", upto)
        }
        ErrorKind::NestLimitExceeded(_) => told("expression nests too deeply", pattern),
        other => told(&other.to_string(), pattern),
    }
}

/// The repetition operator at the start of `rest`, lazy or not.
fn repetition(rest: &str) -> &str {
    let length = match rest.find('}') {
        Some(end) if rest.starts_with('{') => end + 1,
        _ => 1,
    };
    let lazy = usize::from(rest.get(length..).is_some_and(|after| after.starts_with('?')));
    rest.get(..length + lazy).unwrap_or(rest)
}

/// Refuses what Go does not repeat.
struct Repetitions<'p> {
    pattern: &'p str,
}

impl Visitor for Repetitions<'_> {
    type Output = ();
    type Err = String;

    fn finish(self) -> Result<(), String> {
        Ok(())
    }

    fn visit_pre(&mut self, ast: &Ast) -> Result<(), String> {
        let Ast::Repetition(outer) = ast else { return Ok(()) };
        if let Ast::Repetition(inner) = &*outer.ast {
            let span = Span::new(inner.op.span.start, outer.op.span.end);
            return Err(told("invalid nested repetition operator", text(self.pattern, &span)));
        }
        let most = match &outer.op.kind {
            RepetitionKind::Range(RepetitionRange::Exactly(count) | RepetitionRange::AtLeast(count)) => *count,
            RepetitionKind::Range(RepetitionRange::Bounded(least, most)) => *least.max(most),
            _ => 0,
        };
        if most > MAX_REPEAT {
            return Err(told("invalid repeat count", text(self.pattern, &outer.op.span)));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::find;

    /// The texts are those of Go's `syntax.Parse`.
    #[test]
    fn faults_are_told_as_go_does() {
        for (pattern, want) in [
            ("(a", "missing closing ): `(a`"),
            ("a)(b", "unexpected ): `a)(b`"),
            ("x[a", "missing closing ]: `[a`"),
            ("[z-a]", "invalid character class range: `z-a`"),
            (r"\y", r"invalid escape sequence: `\y`"),
            (r"a\", "trailing backslash at end of expression: ``"),
            ("*a", "missing argument to repetition operator: `*`"),
            ("a|+?", "missing argument to repetition operator: `+?`"),
            ("a|+", "missing argument to repetition operator: `+`"),
            ("a**", "invalid nested repetition operator: `**`"),
            ("a{2}{3}", "invalid nested repetition operator: `{2}{3}`"),
            ("a{3,2}", "invalid repeat count: `{3,2}`"),
            ("a{1001}", "invalid repeat count: `{1001}`"),
            ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
            ("(?i", "missing closing ): `(?i`"),
            (r"\p{Nonsense}", r"invalid character class range: `\p{Nonsense}`"),
        ] {
            assert_eq!(find(pattern).as_deref(), Some(want), "{pattern}");
        }
        for pattern in ["", "a*?", "(a*)*", "a{1000}", "(?i)a", r"\pL", "[[:alpha:]]"] {
            assert_eq!(find(pattern), None, "{pattern}");
        }
    }
}
