//! A long text in pieces, each of which can be parsed by itself: memory does not grow with the text.

use anyhow::bail;
use std::io::Read;

/// How much is read at once, about.
const PIECE_BYTES: usize = 4 << 20;

/// No line is longer.
const MAX_LINE_BYTES: usize = 64 << 20;

/// Cuts a text where lines end.
pub(super) struct Pieces<'r> {
    input: &'r mut dyn Read,
    buffer: Vec<u8>,
    /// What of the buffer was given.
    given: usize,
    /// Lines before the buffer.
    lines: usize,
    /// The metadata that is in force where the buffer begins: see [`Piece::body`].
    context: Vec<u8>,
    is_at_end: bool,
    is_done: bool,
    piece_bytes: usize,
}

/// Whole lines of a text.
#[derive(Debug)]
pub(super) struct Piece<'p> {
    text: &'p [u8],
    context: &'p [u8],
    lines: usize,
    is_last: bool,
}

impl Piece<'_> {
    pub(super) fn text(&self) -> &[u8] {
        self.text
    }

    /// A text that parses as the piece does where it stands: the metadata in force before it, then the piece, then the
    /// end that OpenMetrics asks for, which the last piece must have itself.
    pub(super) fn body(&self, is_open_metrics: bool) -> Vec<u8> {
        let end: &[u8] = if is_open_metrics && !self.is_last {
            b"# EOF\n"
        } else {
            b""
        };
        [self.context, self.text, end].concat()
    }

    /// The line of the whole text that is a line of the body; both are counted from 1.
    pub(super) fn line(&self, line: usize) -> usize {
        let context = self.context.iter().filter(|byte| **byte == b'\n').count();
        line.saturating_sub(context) + self.lines
    }
}

impl<'r> Pieces<'r> {
    pub(super) fn new(input: &'r mut dyn Read) -> Self {
        Self {
            input,
            buffer: Vec::new(),
            given: 0,
            lines: 0,
            context: Vec::new(),
            is_at_end: false,
            is_done: false,
            piece_bytes: PIECE_BYTES,
        }
    }

    /// The next lines; `None` at the end.
    pub(super) fn next_piece(&mut self) -> anyhow::Result<Option<Piece<'_>>> {
        let given = &self.buffer[..self.given];
        self.lines += given.iter().filter(|byte| **byte == b'\n').count();
        self.context = metadata(&self.context, given);
        self.buffer.drain(..self.given);
        self.given = 0;
        if self.is_done {
            return Ok(None);
        }
        let mut wanted = self.piece_bytes;
        while !self.is_at_end {
            self.fill(wanted)?;
            // A byte is kept back, so that the last piece is known to be it.
            self.given = whole_lines(&self.buffer[..self.buffer.len().saturating_sub(1)]);
            if self.given > 0 {
                break;
            }
            wanted *= 2;
            if wanted > MAX_LINE_BYTES {
                bail!("line {} is longer than {MAX_LINE_BYTES} bytes", self.lines + 1);
            }
        }
        if self.is_at_end {
            self.given = self.buffer.len();
            self.is_done = true;
        }
        Ok(Some(Piece {
            text: &self.buffer[..self.given],
            context: &self.context,
            lines: self.lines,
            is_last: self.is_at_end,
        }))
    }

    fn fill(&mut self, wanted: usize) -> anyhow::Result<()> {
        let missing = wanted.saturating_sub(self.buffer.len()) as u64;
        let read = self.input.take(missing).read_to_end(&mut self.buffer)?;
        self.is_at_end = (read as u64) < missing;
        Ok(())
    }
}

/// The lines of a text with their ends. A line break in the quotes of a label's value ends no line, but comments have
/// quotes as they like.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let is_comment = rest.trim_ascii_start().first() == Some(&b'#');
        let (mut is_quoted, mut is_escaped) = (false, false);
        let end = rest.iter().position(|byte| {
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' if is_quoted => is_escaped = true,
                b'"' if !is_comment => is_quoted = !is_quoted,
                b'\n' if !is_quoted => return true,
                _ => {}
            }
            false
        })?;
        let (line, after) = rest.split_at(end + 1);
        rest = after;
        Some(line)
    })
}

fn whole_lines(text: &[u8]) -> usize {
    lines(text).map(<[u8]>::len).sum()
}

/// The last `# TYPE`, which says what the bounds of buckets are, and the last metadata of any kind, which says of which
/// family samples are.
fn metadata(before: &[u8], text: &[u8]) -> Vec<u8> {
    let (mut kind, mut last): (&[u8], &[u8]) = (b"", b"");
    for line in lines(before).chain(lines(text)) {
        let word = line.trim_ascii_start().strip_prefix(b"#").map(<[u8]>::trim_ascii_start);
        match word {
            Some(word) if word.starts_with(b"TYPE") => (kind, last) = (line, b""),
            Some(word) if word.starts_with(b"HELP") || word.starts_with(b"UNIT") => last = line,
            _ => {}
        }
    }
    [kind, last].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every piece's body, and the line of the text that its last line is.
    fn cut(text: &str, piece_bytes: usize) -> Vec<(String, usize)> {
        let mut input = text.as_bytes();
        let mut pieces = Pieces::new(&mut input);
        pieces.piece_bytes = piece_bytes;
        let mut all = Vec::new();
        while let Some(piece) = pieces.next_piece().unwrap() {
            let body = String::from_utf8(piece.body(false)).unwrap();
            let line = piece.line(body.lines().count());
            all.push((body, line));
        }
        all
    }

    #[test]
    fn pieces_know_what_came_before() {
        let text = "# HELP a quote \" here\n# TYPE a histogram\na_bucket{le=\"1\"} 1 5\n# HELP b x\nb 1 5\nb 2 6\n";
        let whole = cut(text, 1000);
        assert_eq!(whole, [(text.to_owned(), 6)]);
        let small = cut(text, 8);
        let (last, line) = small.last().unwrap();
        assert_eq!((last.as_str(), *line), ("# TYPE a histogram\n# HELP b x\nb 2 6\n", 6));
        assert!(small.len() > 3);
        let joined: String = cut(text, 1)
            .into_iter()
            .map(|(body, _)| body.lines().last().unwrap().to_owned() + "\n")
            .collect();
        assert_eq!(joined, text);
    }

    #[test]
    fn a_quoted_line_break_ends_no_line() {
        let text = "a{b=\"x\ny \\\" z\"} 1 5\nc 1 5\n";
        for size in 1..text.len() {
            let found: String = cut(text, size).into_iter().map(|(body, _)| body).collect();
            assert_eq!(found, text);
            assert!(!cut(text, size).iter().any(|(body, _)| body == "a{b=\"x\n"));
        }
        assert_eq!(cut("", 5), [(String::new(), 0)]);
        assert_eq!(cut("a 1 5", 5), [("a 1 5".to_owned(), 1)]);
    }
}
