//! [`Texts`]: a column of texts as it grows.

use crate::Error;
use arrow_array::{ArrayRef, BinaryArray, StringArray};
use arrow_buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use std::sync::Arc;

/// Texts one after another, some of them missing. They are checked to be UTF-8 at the end, all at once.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    bytes: Vec<u8>,
    ends: Ends,
    /// Empty as long as none is missing.
    valid: Vec<bool>,
}

/// Where the runs of a column end.
#[derive(Debug)]
pub(crate) struct Ends(Vec<i32>);

impl Default for Ends {
    fn default() -> Self {
        Self::with_capacity(0)
    }
}

impl Ends {
    fn with_capacity(count: usize) -> Self {
        let mut ends = Vec::with_capacity(count + 1);
        ends.push(0);
        Self(ends)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len() - 1
    }

    #[inline]
    pub(crate) fn push(&mut self, end: usize) {
        // Batches are far from two milliards of anything.
        self.0.push(i32::try_from(end).unwrap_or(i32::MAX));
    }

    /// Where the runs begin and end; then it forgets them.
    pub(crate) fn finish(&mut self) -> OffsetBuffer<i32> {
        // The next batch is about as large.
        let next = Self::with_capacity(self.len());
        OffsetBuffer::new(ScalarBuffer::from(std::mem::replace(self, next).0))
    }
}

impl Texts {
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    #[inline]
    pub(crate) fn push(&mut self, text: &[u8]) {
        self.bytes.extend_from_slice(text);
        self.ends.push(self.bytes.len());
        if !self.valid.is_empty() {
            self.valid.push(true);
        }
    }

    pub(crate) fn push_missing(&mut self) {
        if self.valid.is_empty() {
            self.valid.resize(self.ends.len(), true);
        }
        self.ends.push(self.bytes.len());
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
        // The next batch is about as large, and a little more is spared a second allocation.
        let bytes = Vec::with_capacity(self.bytes.len() + self.bytes.len() / 8);
        let bytes = std::mem::replace(&mut self.bytes, bytes);
        let nulls = (!self.valid.is_empty()).then(|| NullBuffer::from(self.valid.as_slice()));
        self.valid.clear();
        (self.ends.finish(), Buffer::from_vec(bytes), nulls)
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
