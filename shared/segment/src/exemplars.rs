//! Exemplars as a nested column, both ways.

use crate::Error;
use crate::columns::list_of_structs;
use crate::schema::{exemplar_fields, label_entries, label_entry_fields, timestamp_type};
use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray as _;
use arrow_array::types::{Float64Type, TimestampMillisecondType};
use arrow_array::{
    Array as _, ArrayRef, BooleanArray, Float64Array, ListArray, MapArray, StructArray, TimestampMillisecondArray,
};
use arrow_buffer::OffsetBuffer;
use parapet_model::{Exemplar, Labels};
use std::sync::Arc;

/// Rows of the exemplar column on their way into a record batch.
#[derive(Debug, Default)]
pub(crate) struct ExemplarColumn {
    lengths: Vec<usize>,
    valid: Vec<bool>,
    items: Vec<Exemplar>,
}

impl ExemplarColumn {
    pub(crate) fn push_null(&mut self) {
        self.lengths.push(0);
        self.valid.push(false);
    }

    pub(crate) fn push(&mut self, exemplars: &[Exemplar]) {
        self.lengths.push(exemplars.len());
        self.valid.push(true);
        self.items.extend_from_slice(exemplars);
    }

    pub(crate) fn finish(self) -> Result<ArrayRef, Error> {
        let items = &self.items;
        let (mut names, mut values) = (StringBuilder::new(), StringBuilder::new());
        for (name, value) in items.iter().flat_map(|exemplar| &exemplar.labels) {
            names.append_value(name);
            values.append_value(value);
        }
        let entries = StructArray::try_new(
            label_entry_fields(),
            vec![Arc::new(names.finish()), Arc::new(values.finish())],
            None,
        )?;
        let label_counts = OffsetBuffer::from_lengths(items.iter().map(|exemplar| exemplar.labels.iter().count()));
        let times = TimestampMillisecondArray::from_iter_values(items.iter().map(|exemplar| exemplar.timestamp_ms));
        let own: Vec<bool> = items.iter().map(|exemplar| exemplar.has_timestamp).collect();
        let columns: Vec<ArrayRef> = vec![
            Arc::new(times.with_data_type(timestamp_type())),
            Arc::new(BooleanArray::from(own)),
            Arc::new(Float64Array::from_iter_values(
                items.iter().map(|exemplar| exemplar.value),
            )),
            Arc::new(MapArray::try_new(label_entries(), label_counts, entries, None, false)?),
        ];
        list_of_structs(exemplar_fields(), columns, self.lengths, self.valid)
    }
}

/// Reads the exemplars of a row.
pub(crate) fn read_row(column: &ListArray, row: usize) -> Result<Vec<Exemplar>, Error> {
    let structs = column.value(row);
    let read = || -> Option<Vec<Exemplar>> {
        let structs = structs.as_struct_opt()?;
        let times = structs
            .column_by_name("ts")?
            .as_primitive_opt::<TimestampMillisecondType>()?;
        let own = structs.column_by_name("has_ts")?.as_boolean_opt()?;
        let values = structs.column_by_name("value")?.as_primitive_opt::<Float64Type>()?;
        let labels = structs.column_by_name("labels")?.as_map_opt()?;
        let (names, texts) = (
            labels.keys().as_string_opt::<i32>()?,
            labels.values().as_string_opt::<i32>()?,
        );
        let place = |at: i32| usize::try_from(at).unwrap_or_default();
        let labels_of = |at: usize| {
            let offsets = labels.value_offsets();
            let entries = place(offsets[at])..place(offsets[at + 1]);
            Labels::from_pairs(entries.map(|entry| (names.value(entry), texts.value(entry))))
        };
        let read = (0..structs.len()).map(|at| Exemplar {
            labels: labels_of(at),
            value: values.value(at),
            timestamp_ms: times.value(at),
            has_timestamp: own.value(at),
        });
        Some(read.collect())
    };
    read().ok_or_else(|| Error::form("exemplars are not of their form"))
}
