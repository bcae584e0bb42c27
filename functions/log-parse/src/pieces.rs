//! An object's lines, piece by piece: streamed, decompressed, never held whole.

use bytes::Bytes;
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use parapet_ports::Objects;
use std::io::{self, BufRead as _, BufReader, Read};
use tokio::runtime::Handle;

/// Bytes of an object fetched with one request.
const FETCH_BYTES: u64 = 4 << 20;

/// Reads an object from front to back, some megabytes at a time. For threads that may block.
struct ObjectReader {
    objects: Objects,
    path: Path,
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
            let request = self.objects.get_range(&self.path, self.next..end);
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
    pub(crate) size: u64,
    /// The first byte, of what is decompressed.
    pub(crate) start: u64,
    pub(crate) piece_bytes: usize,
    pub(crate) max_line_bytes: usize,
}

/// Whole lines of an object.
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
    reader: Box<dyn Read>,
    at: u64,
    /// The beginning of a line whose end is not read yet.
    rest: Vec<u8>,
    is_at_end: bool,
}

impl Pieces {
    /// Opens an object: gzip and zstd are told by their first bytes, all else is taken as it is.
    pub(crate) fn open(objects: Objects, plan: Plan, runtime: Handle) -> io::Result<Self> {
        let from = |next: u64| ObjectReader {
            objects: objects.clone(),
            path: Path::from(plan.key.as_str()),
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
            reader,
            rest: Vec::new(),
            is_at_end: false,
        })
    }

    /// The next lines; `None` at the end.
    pub(crate) fn next(&mut self) -> io::Result<Option<Piece>> {
        let wanted = self.plan.piece_bytes.max(1);
        let mut buffer = std::mem::take(&mut self.rest);
        while !self.is_at_end {
            let missing = wanted.saturating_sub(buffer.len());
            // A line that is longer than a piece: as far as a line may go.
            let missing = match missing {
                0 if buffer.contains(&b'\n') || buffer.len() >= self.plan.max_line_bytes => break,
                0 => self.plan.max_line_bytes - buffer.len(),
                missing => missing,
            };
            let read = (&mut self.reader).take(missing as u64).read_to_end(&mut buffer)?;
            self.is_at_end = read < missing;
        }
        if buffer.is_empty() {
            return Ok(None);
        }
        let end = match (self.is_at_end, memchr::memrchr(b'\n', &buffer)) {
            (true, _) => buffer.len(),
            (false, Some(at)) => at + 1,
            (false, None) => buffer.len(),
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

fn skipped(mut reader: impl Read + 'static, bytes: u64) -> io::Result<Box<dyn Read>> {
    io::copy(&mut (&mut reader).take(bytes), &mut io::sink())?;
    Ok(Box::new(reader))
}
