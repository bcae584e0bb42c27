//! The files of `chunks/`: chunks one after another, each with its length, encoding and checksum.

use crate::chunk::{self, EncodedChunk, Encoding, Samples};
use crate::cursor::{Cursor, put_uvarint};
use crate::read_at::{ReadAt, Window};
use crate::{Error, checksum};
use std::io::{self, Write};

const MAGIC: u32 = 0x85BD_40DD;
const VERSION: u8 = 1;
const HEADER_BYTES: u64 = 8;
/// A length of 32 bits takes at most so many bytes.
const MAX_LENGTH_BYTES: usize = 5;
/// A file is not larger than this: another begins.
pub const MAX_FILE_BYTES: u64 = 512 << 20;

/// The name of a chunk file by its number, from 1.
#[must_use]
pub fn file_name(number: u32) -> String {
    format!("{number:06}")
}

/// The chunk files of a block.
#[derive(Debug)]
pub struct ChunkFiles<R> {
    files: Vec<R>,
    window: Window,
    /// The file that the window shows, and its size.
    shown: Option<(usize, u64)>,
}

impl<R: ReadAt> ChunkFiles<R> {
    /// The files in the order of their names.
    #[must_use]
    pub fn new(files: Vec<R>) -> Self {
        Self {
            files,
            window: Window::default(),
            shown: None,
        }
    }

    /// The samples of the chunk that a series' [`crate::ChunkMeta`] refers to.
    ///
    /// # Errors
    /// Where there is no such chunk, its checksum differs, or it does not unpack.
    pub fn read(&mut self, reference: u64) -> Result<Samples, Error> {
        let (number, offset) = ((reference >> 32) as usize, reference & u64::from(u32::MAX));
        let place = format!("chunks/{} at byte {offset}", file_name(number as u32 + 1));
        if number >= self.files.len() {
            return Err(Error::corrupt(place, "the index refers to a file that is not there"));
        }
        let size = match self.shown {
            Some((shown, size)) if shown == number => size,
            _ => self.show(number)?,
        };
        let file = &self.files[number];
        let ends_late = || Error::corrupt(place.clone(), "the chunk ends after the file does");
        // First its length, then all of it: the window has both as a rule.
        let mut head = Cursor::new(self.window.get(file, size, offset, MAX_LENGTH_BYTES, &place)?);
        let length = head.uvarint().filter(|length| *length < size).ok_or_else(ends_late)?;
        let (start, packed) = (head.position(), 1 + length as usize);
        let bytes = self.window.get(file, size, offset, start + packed + 4, &place)?;
        let mut cursor = Cursor::new(&bytes[start..]);
        let (packed, sum) = cursor.take(packed).zip(cursor.be32()).ok_or_else(ends_late)?;
        if sum != checksum(packed) {
            return Err(Error::corrupt(place, "the checksum differs"));
        }
        let decoded = Encoding::from_number(packed[0]).and_then(|encoding| chunk::decode(encoding, &packed[1..]));
        decoded.map_err(|error| match error {
            Error::Corrupt { what, .. } => Error::corrupt(place, what),
            Error::Unsupported(what) => Error::Unsupported(format!("{place}: {what}")),
            io @ Error::Io { .. } => io,
        })
    }

    fn show(&mut self, number: usize) -> Result<u64, Error> {
        let place = format!("chunks/{}", file_name(number as u32 + 1));
        let file = &self.files[number];
        let size = file.size().map_err(Error::io(place.clone()))?;
        (self.window, self.shown) = (Window::default(), None);
        let mut header = Cursor::new(self.window.get(file, size, 0, HEADER_BYTES as usize, &place)?);
        if header.be32() != Some(MAGIC) {
            return Err(Error::corrupt(place, "is no chunk file: its first bytes are others"));
        }
        if let Some(version) = header.byte()
            && version != VERSION
        {
            return Err(Error::Unsupported(format!(
                "{place}: version {version} of chunk files is not known, {VERSION} is"
            )));
        }
        self.shown = Some((number, size));
        Ok(size)
    }
}

/// Writes chunk files, as many as it takes.
#[derive(Debug)]
pub struct ChunkWriter<W, F> {
    open: F,
    file: Option<W>,
    number: u32,
    at: u64,
    frame: Vec<u8>,
}

impl<W: Write, F: FnMut(u32) -> io::Result<W>> ChunkWriter<W, F> {
    /// `open` makes the file of a number, from 1: [`file_name`] names it.
    pub fn new(open: F) -> Self {
        Self {
            open,
            file: None,
            number: 0,
            at: 0,
            frame: Vec::new(),
        }
    }

    /// Writes a chunk, and gives the reference to it.
    ///
    /// # Errors
    /// Where the file is not made or not written.
    pub fn write(&mut self, chunk: &EncodedChunk) -> Result<u64, Error> {
        self.frame.clear();
        put_uvarint(&mut self.frame, chunk.bytes.len() as u64);
        let start = self.frame.len();
        self.frame.push(chunk.encoding.number());
        self.frame.extend_from_slice(&chunk.bytes);
        let sum = checksum(&self.frame[start..]);
        self.frame.extend_from_slice(&sum.to_be_bytes());
        if self.at + self.frame.len() as u64 > MAX_FILE_BYTES {
            self.close()?;
        }
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                self.number += 1;
                let place = || format!("chunks/{}", file_name(self.number));
                let mut file = (self.open)(self.number).map_err(Error::io(place()))?;
                let mut header = MAGIC.to_be_bytes().to_vec();
                header.extend_from_slice(&[VERSION, 0, 0, 0]);
                file.write_all(&header).map_err(Error::io(place()))?;
                self.at = HEADER_BYTES;
                self.file.insert(file)
            }
        };
        let reference = u64::from(self.number - 1) << 32 | self.at;
        file.write_all(&self.frame).map_err(Error::io("chunks"))?;
        self.at += self.frame.len() as u64;
        Ok(reference)
    }

    fn close(&mut self) -> Result<(), Error> {
        self.at = 0;
        match self.file.take() {
            Some(mut file) => file.flush().map_err(Error::io("chunks")),
            None => Ok(()),
        }
    }

    /// Gives the last file back, all written; `None` where no chunk was.
    ///
    /// # Errors
    /// Where it is not written.
    pub fn finish(mut self) -> Result<Option<W>, Error> {
        if let Some(file) = &mut self.file {
            file.flush().map_err(Error::io("chunks"))?;
        }
        Ok(self.file)
    }
}
