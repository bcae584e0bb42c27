//! Just enough of protobuf's encoding to read and write a message field by field, without building it.
//!
//! What is read is borrowed from the bytes, so that a hostile message costs no more memory than its own length. It
//! knows no messages: their field numbers are the caller's.
//!
//! ```
//! use parapet_protobuf::{Reader, Wire, put_bytes};
//! let mut bytes = Vec::new();
//! put_bytes(&mut bytes, 1, b"up");
//! let mut reader = Reader::new(&bytes);
//! assert!(matches!(reader.field()?, Some((1, Wire::Bytes(b"up")))));
//! assert!(reader.field()?.is_none());
//! # Ok::<(), parapet_protobuf::Error>(())
//! ```
//!
//! Contract: never panics, never allocates while reading.
#![warn(missing_docs)]

/// The encoding is broken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid protobuf at byte {offset}: {reason}")]
pub struct Error {
    /// Bytes from the start of the outermost message.
    pub offset: usize,
    /// What was expected.
    pub reason: &'static str,
}

/// A field's value as it stands on the wire.
#[derive(Clone, Copy, Debug)]
pub enum Wire<'a> {
    /// An integer; the caller knows whether it is signed.
    Varint(u64),
    /// Eight bytes, of a double mostly.
    Fixed64(u64),
    /// A text, bytes, a message or packed numbers.
    Bytes(&'a [u8]),
    /// Four bytes, which no message read here has.
    Fixed32,
}

/// Reads a message field by field.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    /// Where `rest` begins in the whole request, for messages.
    offset: usize,
}

impl<'a> Reader<'a> {
    /// A reader of an outermost message.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, offset: 0 }
    }

    /// A reader of a message nested in this one; `bytes` is the value last read.
    #[must_use]
    pub fn nested(&self, bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            offset: self.offset.saturating_sub(bytes.len()),
        }
    }

    /// Whether nothing is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// How many bytes of the outermost message stand before what is left.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// A fault at the place that was reached.
    #[must_use]
    pub fn error(&self, reason: &'static str) -> Error {
        Error {
            offset: self.offset,
            reason,
        }
    }

    /// The next field and its value; `None` at the end.
    ///
    /// # Errors
    /// Where the bytes are no message.
    #[inline]
    pub fn field(&mut self) -> Result<Option<(u32, Wire<'a>)>, Error> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let field = u32::try_from(key >> 3).map_err(|_| self.error("field number out of range"))?;
        if field == 0 {
            return Err(self.error("field number 0"));
        }
        let value = match key & 7 {
            0 => Wire::Varint(self.varint()?),
            1 => {
                let bytes = self.take(8)?;
                Wire::Fixed64(bytes.try_into().map(u64::from_le_bytes).unwrap_or_default())
            }
            2 => {
                let length = self.varint()?;
                let length = usize::try_from(length).map_err(|_| self.error("length out of range"))?;
                Wire::Bytes(self.take(length)?)
            }
            5 => {
                self.take(4)?;
                Wire::Fixed32
            }
            _ => return Err(self.error("unknown wire type")),
        };
        Ok(Some((field, value)))
    }

    /// An integer that stands alone, as among packed ones or before a delimited message.
    ///
    /// # Errors
    /// Where there is none.
    #[inline]
    pub fn varint(&mut self) -> Result<u64, Error> {
        // Keys and most lengths are one byte.
        if let Some((byte @ ..0x80, rest)) = self.rest.split_first() {
            self.rest = rest;
            self.offset += 1;
            return Ok(u64::from(*byte));
        }
        self.long_varint()
    }

    fn long_varint(&mut self) -> Result<u64, Error> {
        let mut value = 0u64;
        for (index, byte) in self.rest.iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * index);
            if *byte < 0x80 {
                if index == 9 && *byte > 1 {
                    break;
                }
                self.rest = &self.rest[index + 1..];
                self.offset += index + 1;
                return Ok(value);
            }
        }
        Err(self.error("broken varint"))
    }

    /// So many bytes.
    ///
    /// # Errors
    /// Where fewer are left.
    #[inline]
    pub fn take(&mut self, length: usize) -> Result<&'a [u8], Error> {
        let (taken, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or_else(|| self.error("message ends too early"))?;
        self.rest = rest;
        self.offset += length;
        Ok(taken)
    }
}

/// The wire type of an integer.
pub const VARINT: u32 = 0;
/// The wire type of eight bytes.
pub const FIXED64: u32 = 1;
/// The wire type of bytes of a length.
pub const BYTES: u32 = 2;

/// Writes an integer.
#[inline]
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

/// Writes a field's number and wire type.
#[inline]
pub fn put_key(out: &mut Vec<u8>, field: u32, wire_type: u32) {
    put_varint(out, u64::from(field << 3 | wire_type));
}

/// Writes a field of bytes: a text, a message.
#[inline]
pub fn put_bytes(out: &mut Vec<u8>, field: u32, bytes: &[u8]) {
    put_key(out, field, BYTES);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// The number that a zigzag encoded integer (`sint32`, `sint64`) stands for.
#[must_use]
pub fn zigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}
