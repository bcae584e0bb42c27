//! [`Texts`]: a column of texts as it grows.

use crate::Error;
use arrow_array::{ArrayRef, BinaryArray, StringArray};
use arrow_buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use std::sync::Arc;

/// Texts one after another, some of them missing. They are checked to be UTF-8 at the end, all at once.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    bytes: Vec<u8>,
    ends: Vec<i32>,
    /// Empty as long as none is missing.
    valid: Vec<bool>,
}

/// Batches are far from two milliards of anything.
pub(crate) fn length(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// Where runs of these ends begin and end.
pub(crate) fn offsets(ends: Vec<i32>) -> OffsetBuffer<i32> {
    let mut offsets = Vec::with_capacity(ends.len() + 1);
    offsets.push(0);
    offsets.extend(ends);
    OffsetBuffer::new(ScalarBuffer::from(offsets))
}

impl Texts {
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    #[inline]
    pub(crate) fn push(&mut self, text: &[u8]) {
        self.bytes.extend_from_slice(text);
        self.ends.push(length(self.bytes.len()));
        if !self.valid.is_empty() {
            self.valid.push(true);
        }
    }

    pub(crate) fn push_missing(&mut self) {
        if self.valid.is_empty() {
            self.valid.resize(self.ends.len(), true);
        }
        self.ends.push(length(self.bytes.len()));
        self.valid.push(false);
    }

    /// Adds a text; an empty one is missing.
    pub(crate) fn push_some(&mut self, text: &[u8]) {
        if text.is_empty() {
            self.push_missing();
        } else {
            self.push(text);
        }
    }

    /// Adds missing texts until there are so many.
    #[inline]
    pub(crate) fn fill(&mut self, count: usize) {
        while self.len() < count {
            self.push_missing();
        }
    }

    fn parts(&mut self) -> (OffsetBuffer<i32>, Buffer, Option<NullBuffer>) {
        // The next batch is about as large.
        let next = Self {
            bytes: Vec::with_capacity(self.bytes.len()),
            ends: Vec::with_capacity(self.ends.len()),
            valid: Vec::with_capacity(self.valid.len()),
        };
        let this = std::mem::replace(self, next);
        let nulls = (!this.valid.is_empty()).then(|| NullBuffer::from(this.valid));
        (offsets(this.ends), Buffer::from_vec(this.bytes), nulls)
    }

    /// The texts so far, which it then forgets.
    pub(crate) fn finish(&mut self) -> Result<ArrayRef, Error> {
        let (offsets, bytes, nulls) = self.parts();
        Ok(Arc::new(StringArray::try_new(offsets, bytes, nulls)?))
    }

    /// The same, of what need not be text.
    pub(crate) fn finish_binary(&mut self) -> Result<ArrayRef, Error> {
        let (offsets, bytes, nulls) = self.parts();
        Ok(Arc::new(BinaryArray::try_new(offsets, bytes, nulls)?))
    }
}
