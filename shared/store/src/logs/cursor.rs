//! [`Cursor`]: where a search stands in an open block. The one whose record comes next is the greatest.

use super::{LogQuery, Order};
use bytestring::ByteString;
use parapet_log_segment::Rows;
use parapet_logs::LogRecord;
use std::cmp::{Ordering, Reverse};

/// A block with its rows.
#[derive(Debug)]
pub(super) struct Block<'a> {
    pub(super) rows: Rows,
    pub(super) query: &'a LogQuery,
}

#[derive(Debug)]
pub(super) struct Cursor<'a> {
    block: Block<'a>,
    /// Blocks of one time come in the order in which they were opened.
    number: usize,
    row: usize,
    rank: i64,
}

impl<'a> Cursor<'a> {
    /// A cursor at the first row that is wanted; `None` where there is none.
    pub(super) fn new(number: usize, block: Block<'a>) -> Option<Self> {
        let query = block.query;
        let row = match query.order {
            Order::OldestFirst => block.rows.first_from(query.start_ns),
            // One beyond: going back comes first.
            Order::NewestFirst => block.rows.first_from(query.end_ns.saturating_add(1)),
        };
        let mut cursor = Self {
            block,
            number,
            row,
            rank: 0,
        };
        match query.order {
            Order::OldestFirst => cursor.settle().then_some(cursor),
            Order::NewestFirst => cursor.advance(),
        }
    }

    /// Where its record stands in the order of the search: time, or time backwards.
    pub(super) fn rank(&self) -> i64 {
        self.rank
    }

    /// The record; `None` where it is not wanted.
    pub(super) fn take(&mut self) -> Result<Option<LogRecord>, parapet_log_segment::Error> {
        let mut record = self.block.rows.record(self.row)?;
        let query = self.block.query;
        if !query.matches(&record) {
            return Ok(None);
        }
        if !query.columns.stream {
            record.stream = parapet_model::Labels::empty();
        }
        if !query.columns.origin {
            record.service = ByteString::new();
            record.host = ByteString::new();
            record.route = ByteString::new();
        }
        Ok(Some(record))
    }

    /// Goes to the next row; `None` at the end.
    pub(super) fn advance(mut self) -> Option<Self> {
        self.row = match self.block.query.order {
            Order::OldestFirst => self.row + 1,
            Order::NewestFirst => self.row.checked_sub(1)?,
        };
        self.settle().then_some(self)
    }

    /// Goes on to the next row with a level that is wanted; false where there is none in the range of time.
    fn settle(&mut self) -> bool {
        let Block { rows, query } = &self.block;
        let mut row = self.row;
        while row < rows.len() {
            let at = rows.timestamp_ns(row);
            if at < query.start_ns || at > query.end_ns {
                return false;
            }
            if query.wants_level(rows.level(row)) {
                self.row = row;
                self.rank = match query.order {
                    Order::OldestFirst => at,
                    Order::NewestFirst => at.saturating_neg(),
                };
                return true;
            }
            row = match query.order {
                Order::OldestFirst => row + 1,
                Order::NewestFirst if row == 0 => return false,
                Order::NewestFirst => row - 1,
            };
        }
        false
    }

    fn key(&self) -> Reverse<(i64, usize)> {
        Reverse((self.rank, self.number))
    }
}

impl PartialEq for Cursor<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Cursor<'_> {}

impl Ord for Cursor<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl PartialOrd for Cursor<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
