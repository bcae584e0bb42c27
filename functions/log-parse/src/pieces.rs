//! An object's lines, piece by piece: streamed, decompressed, never held whole.

use bytes::Bytes;
use object_store::GetOptions;
use object_store::path::Path;
use parapet_logs::pipeline::Begins;
use parapet_ports::{Error, Kind, Objects};
use std::io::{self, BufRead as _, BufReader, Read};
use tokio::runtime::Handle;

/// Bytes of an object fetched with one request.
const FETCH_BYTES: u64 = 4 << 20;

/// Reads an object from front to back, some megabytes at a time. For threads that may block.
struct ObjectReader {
    objects: Objects,
    path: Path,
    /// What is read is all of one version.
    e_tag: Option<String>,
    size: u64,
    /// Where the next request begins.
    next: u64,
    held: Bytes,
    runtime: Handle,
}

impl Read for ObjectReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.held.is_empty() && self.next < self.size {
            let end = self.size.min(self.next + FETCH_BYTES);
            let options = GetOptions {
                range: Some((self.next..end).into()),
                if_match: self.e_tag.clone(),
                ..GetOptions::default()
            };
            let request = async { self.objects.get_opts(&self.path, options).await?.bytes().await };
            self.held = self.runtime.block_on(request).map_err(io::Error::other)?;
            self.next += self.held.len() as u64;
        }
        let count = out.len().min(self.held.len());
        out[..count].copy_from_slice(&self.held.split_to(count));
        Ok(count)
    }
}

/// Where to read, and how much at a time.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) key: String,
    pub(crate) e_tag: Option<String>,
    pub(crate) size: u64,
    /// The first byte, of what is decompressed.
    pub(crate) start: u64,
    pub(crate) piece_bytes: usize,
    pub(crate) max_line_bytes: usize,
}

/// Whole lines of an object, and whole records, unless one is longer than a piece.
#[derive(Debug)]
pub(crate) struct Piece {
    /// Its first byte, of what is decompressed.
    pub(crate) start: u64,
    /// The byte after it.
    pub(crate) end: u64,
    pub(crate) lines: Vec<Vec<u8>>,
    /// Lines that were cut.
    pub(crate) cut: u64,
}

/// Reads an object piece by piece.
pub(crate) struct Pieces {
    plan: Plan,
    /// Whether a line begins a record, where lines are joined.
    begins: Option<Begins>,
    reader: Box<dyn Read>,
    at: u64,
    /// The beginning of a line whose end is not read yet.
    rest: Vec<u8>,
    is_at_end: bool,
}

impl Pieces {
    /// Opens an object: gzip and zstd are told by their first bytes, all else is taken as it is.
    pub(crate) fn open(objects: Objects, plan: Plan, begins: Option<Begins>, runtime: Handle) -> io::Result<Self> {
        let from = |next: u64| ObjectReader {
            objects: objects.clone(),
            path: Path::from(plan.key.as_str()),
            e_tag: plan.e_tag.clone(),
            size: plan.size,
            next,
            held: Bytes::new(),
            runtime: runtime.clone(),
        };
        let mut head = BufReader::new(from(0));
        let magic = head.fill_buf()?;
        let reader: Box<dyn Read> = if magic.starts_with(&[0x1F, 0x8B]) {
            skipped(flate2::read::MultiGzDecoder::new(head), plan.start)?
        } else if magic.starts_with(&[0x28, 0xB5, 0x2F, 0xFD]) {
            skipped(zstd::stream::read::Decoder::with_buffer(head)?, plan.start)?
        } else {
            Box::new(from(plan.start))
        };
        Ok(Self {
            at: plan.start,
            plan,
            begins,
            reader,
            rest: Vec::new(),
            is_at_end: false,
        })
    }

    /// Where the next piece begins.
    pub(crate) fn at(&self) -> u64 {
        self.at
    }

    /// The next lines; `None` at the end. `known_end` is where the piece ended when it was read before: it is read with the
    /// same lines, whatever settings and pipelines say now.
    pub(crate) fn next(&mut self, known_end: Option<u64>) -> io::Result<Option<Piece>> {
        let known = known_end.map(|end| usize::try_from(end.saturating_sub(self.at)).unwrap_or(usize::MAX));
        let wanted = known.unwrap_or(self.plan.piece_bytes).max(1);
        let mut buffer = std::mem::take(&mut self.rest);
        while !self.is_at_end {
            let missing = wanted.saturating_sub(buffer.len());
            // A line that is longer than a piece: as far as a line may go.
            let missing = match missing {
                0 if known.is_some() || buffer.contains(&b'\n') || buffer.len() >= self.plan.max_line_bytes => break,
                0 => self.plan.max_line_bytes - buffer.len(),
                missing => missing,
            };
            let read = (&mut self.reader).take(missing as u64).read_to_end(&mut buffer)?;
            self.is_at_end = read < missing;
        }
        if buffer.is_empty() {
            return Ok(None);
        }
        let end = match (known, self.is_at_end) {
            (Some(length), _) => length.min(buffer.len()),
            (None, true) => buffer.len(),
            (None, false) => self.last_border(&buffer),
        };
        self.rest = buffer.split_off(end);
        let mut piece = Piece {
            start: self.at,
            end: self.at + end as u64,
            lines: Vec::new(),
            cut: 0,
        };
        self.at = piece.end;
        let whole = buffer.strip_suffix(b"\n").unwrap_or(&buffer);
        for line in whole.split(|byte| *byte == b'\n') {
            let parts = line.chunks(self.plan.max_line_bytes.max(1));
            piece.cut += u64::from(parts.len() > 1);
            match line.is_empty() {
                true => piece.lines.push(Vec::new()),
                false => piece.lines.extend(parts.map(<[u8]>::to_vec)),
            }
        }
        Ok(Some(piece))
    }
}

impl Pieces {
    /// The last place where the lines may be cut: after the last whole line, or before the last record, which may go on.
    fn last_border(&self, buffer: &[u8]) -> usize {
        let Some(mut line_end) = memchr::memrchr(b'\n', buffer) else {
            return buffer.len();
        };
        let lines = line_end + 1;
        let Some(begins) = &self.begins else { return lines };
        while let Some(before) = memchr::memrchr(b'\n', &buffer[..line_end]) {
            if begins(&buffer[before + 1..line_end]) {
                return before + 1;
            }
            line_end = before;
        }
        lines
    }
}

fn skipped(mut reader: impl Read + 'static, bytes: u64) -> io::Result<Box<dyn Read>> {
    io::copy(&mut (&mut reader).take(bytes), &mut io::sink())?;
    Ok(Box::new(reader))
}

/// Of what cannot be read some is the object's fault: it is no better the next time.
pub(crate) fn read_error(error: io::Error) -> Error {
    let of_store = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<object_store::Error>());
    match of_store {
        Some(object_store::Error::Precondition { .. }) => Error::new(Kind::Conflict, "an object was overwritten"),
        Some(_) => Error::new(Kind::Unavailable, "an object cannot be read").with_source(error),
        None => Error::new(Kind::Invalid, "an object does not decompress").with_source(error),
    }
}
