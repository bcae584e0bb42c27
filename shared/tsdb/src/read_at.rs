//! [`ReadAt`]: bytes that are read at any place.

use crate::Error;
use std::io;

/// A file, or bytes in memory.
pub trait ReadAt {
    /// How many bytes there are.
    ///
    /// # Errors
    /// Where the file's size cannot be had.
    fn size(&self) -> io::Result<u64>;

    /// Fills `buffer` with the bytes from `offset` on.
    ///
    /// # Errors
    /// Where the file does not read or ends before.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
}

impl ReadAt for Vec<u8> {
    fn size(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let bytes = usize::try_from(offset).ok().and_then(|start| self.get(start..));
        match bytes.and_then(|bytes| bytes.get(..buffer.len())) {
            Some(bytes) => {
                buffer.copy_from_slice(bytes);
                Ok(())
            }
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// How much is read at once, at least.
const WINDOW_BYTES: usize = 1 << 20;

/// The part of a file that was read last: neighbours of it need no other read.
#[derive(Debug, Default)]
pub(crate) struct Window {
    start: u64,
    bytes: Vec<u8>,
}

impl Window {
    /// Up to `length` bytes from `offset` on: fewer only where the file ends.
    pub(crate) fn get<R: ReadAt>(
        &mut self,
        file: &R,
        size: u64,
        offset: u64,
        length: usize,
        place: &str,
    ) -> Result<&[u8], Error> {
        let left = usize::try_from(size.saturating_sub(offset)).unwrap_or(usize::MAX);
        let length = length.min(left);
        let holds = |window: &Self| {
            let skipped = usize::try_from(offset.checked_sub(window.start)?).ok()?;
            (skipped.checked_add(length)? <= window.bytes.len()).then_some(skipped)
        };
        let skipped = match holds(self) {
            Some(skipped) => skipped,
            None => {
                self.bytes.resize(length.max(WINDOW_BYTES).min(left), 0);
                self.start = offset;
                let read = file.read_at(&mut self.bytes, offset);
                if let Err(error) = read {
                    self.bytes.clear();
                    return Err(Error::io(format!("{place} at byte {offset}"))(error));
                }
                0
            }
        };
        Ok(&self.bytes[skipped..skipped + length])
    }
}
