//! The fields of records in columns of their own: values of one field stand together, and take half the room.
//!
//! The fields that a block meets first have a column each, whose names the column `fields` tells in every row; all others
//! are in the map `attributes`.

use crate::Error;
use crate::schema::{FIELD_COLUMNS, NAME_END, entries, entry_fields};
use crate::texts::{Ends, Texts};
use arrow_array::cast::AsArray as _;
use arrow_array::{Array as _, ArrayRef, MapArray, StringArray, StructArray};
use parapet_model::Labels;
use parapet_model::compare::same;
use std::sync::Arc;

/// Maps of texts, one for each row.
#[derive(Debug, Default)]
pub(crate) struct Maps {
    ends: Ends,
    names: Texts,
    values: Texts,
}

impl Maps {
    fn push(&mut self, name: &[u8], value: &[u8]) {
        self.names.push(name);
        self.values.push(value);
    }

    /// Ends a row.
    fn close(&mut self) {
        self.ends.push(self.names.len());
    }

    pub(crate) fn push_all(&mut self, labels: &Labels) {
        for (name, value) in labels.iter_bytes() {
            self.push(name, value);
        }
        self.close();
    }

    pub(crate) fn finish(&mut self) -> Result<ArrayRef, Error> {
        let columns = vec![self.names.finish()?, self.values.finish()?];
        let entry = StructArray::try_new(entry_fields(), columns, None)?;
        Ok(Arc::new(MapArray::try_new(
            entries(),
            self.ends.finish(),
            entry,
            None,
            false,
        )?))
    }
}

/// The pairs of a row of a map.
pub(crate) fn pairs(column: &MapArray, row: usize) -> Result<impl Iterator<Item = (&str, &str)> + Clone, Error> {
    let of_form = || Error::form("a map is of another type");
    let names = column.keys().as_string_opt::<i32>().ok_or_else(of_form)?;
    let values = column.values().as_string_opt::<i32>().ok_or_else(of_form)?;
    let offsets = column.value_offsets();
    let at = |index: usize| usize::try_from(offsets[index]).unwrap_or_default();
    Ok((at(row)..at(row + 1)).map(move |index| (names.value(index), values.value(index))))
}

/// The fields of rows on their way into a batch.
#[derive(Debug, Default)]
pub(crate) struct FieldColumns {
    /// Those with a column, in the order of the columns.
    names: Vec<String>,
    columns: Vec<Texts>,
    rest: Maps,
    rows: usize,
    /// The columns of the last row's fields, in their order: those of the next one are the same mostly.
    last: Vec<usize>,
    /// What the last batch of this block has in every row: the next one has it too mostly.
    constant: Option<Constant>,
}

/// Columns that have the same in every row.
#[derive(Debug)]
struct Constant {
    /// So many names are told.
    names: usize,
    /// The column `fields`.
    fields: ArrayRef,
    /// A column of no field.
    missing: ArrayRef,
}

impl Constant {
    fn new(names: &[String], rows: usize) -> Self {
        let text = names.join(&NAME_END.to_string());
        let text = (!text.is_empty()).then_some(text);
        Self {
            names: names.len(),
            fields: Arc::new(StringArray::from(vec![text.as_deref(); rows])),
            missing: Arc::new(StringArray::new_null(rows)),
        }
    }
}

impl FieldColumns {
    pub(crate) fn push(&mut self, fields: &Labels) {
        for (position, (name, value)) in fields.iter_bytes().enumerate() {
            if self.last.len() == position {
                self.last.push(usize::MAX);
            }
            let last = self.last[position];
            let known = self.names.get(last).is_some_and(|known| same(known.as_bytes(), name));
            let Some(column) = known.then_some(last).or_else(|| self.column_of(name)) else {
                self.rest.push(name, value);
                continue;
            };
            self.last[position] = column;
            let texts = &mut self.columns[column];
            texts.fill(self.rows);
            texts.push(value);
        }
        self.rest.close();
        self.rows += 1;
    }

    /// The column of a field; a new one, where there is one left.
    fn column_of(&mut self, name: &[u8]) -> Option<usize> {
        let known = self.names.iter().position(|other| other.as_bytes() == name);
        known.or_else(|| {
            let name = std::str::from_utf8(name).ok()?;
            if self.names.len() == FIELD_COLUMNS.len() || name.contains(NAME_END) {
                return None;
            }
            self.names.push(name.to_owned());
            if self.columns.len() < self.names.len() {
                self.columns.push(Texts::default());
            }
            Some(self.names.len() - 1)
        })
    }

    /// The columns `fields`, that of each field, and `attributes`.
    pub(crate) fn finish(&mut self) -> Result<Vec<ArrayRef>, Error> {
        let rows = std::mem::take(&mut self.rows);
        let constant = self.constant.take();
        let constant = constant.filter(|last| last.names == self.names.len() && last.fields.len() == rows);
        let constant = constant.unwrap_or_else(|| Constant::new(&self.names, rows));
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(FIELD_COLUMNS.len() + 2);
        arrays.push(constant.fields.clone());
        for column in &mut self.columns {
            column.fill(rows);
            arrays.push(column.finish()?);
        }
        arrays.resize(FIELD_COLUMNS.len() + 1, constant.missing.clone());
        self.constant = Some(constant);
        arrays.push(self.rest.finish()?);
        Ok(arrays)
    }

    /// What comes next may have other fields.
    pub(crate) fn next_block(&mut self) {
        self.names.clear();
        self.last.clear();
        self.constant = None;
    }
}

/// Which field is in which column.
#[derive(Debug, Default)]
pub(crate) struct Layout {
    fields: String,
    /// Name and column, sorted by name.
    columns: Vec<(String, usize)>,
    packed: Vec<u8>,
}

impl Layout {
    /// Makes it the layout that a row's `fields` tells.
    pub(crate) fn read(&mut self, fields: &str) {
        if self.fields == fields {
            return;
        }
        fields.clone_into(&mut self.fields);
        let names = fields.split(NAME_END).take(FIELD_COLUMNS.len());
        self.columns = names
            .enumerate()
            .map(|(column, name)| (name.to_owned(), column))
            .collect();
        self.columns.sort_unstable();
        self.columns.dedup_by(|later, earlier| later.0 == earlier.0);
        self.columns.retain(|(name, _)| !name.is_empty());
    }

    /// The fields of a row.
    pub(crate) fn labels(&mut self, columns: &[StringArray], row: usize, rest: &MapArray) -> Result<Labels, Error> {
        let own = self.columns.iter().filter_map(|(name, column)| {
            let column = columns.get(*column)?;
            let value = column.is_valid(row).then(|| column.value(row))?;
            (!value.is_empty()).then_some((name.as_str(), value))
        });
        let mut rest = pairs(rest, row)?.peekable();
        if rest.peek().is_none() {
            return Ok(Labels::from_sorted_in(&mut self.packed, own));
        }
        let mut all: Vec<(&str, &str)> = own.chain(rest).collect();
        all.sort_by_key(|(name, _)| *name);
        all.dedup_by_key(|(name, _)| *name);
        Ok(Labels::from_sorted(all))
    }
}
