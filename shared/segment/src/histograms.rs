//! Native histograms as nested columns, both ways.

use crate::Error;
use crate::columns::list_of_structs;
use crate::schema::{element, histogram_fields, span_fields};
use arrow_array::cast::AsArray as _;
use arrow_array::types::{Float64Type, Int32Type};
use arrow_array::{Array as _, ArrayRef, Float64Array, Int32Array, ListArray, StructArray};
use arrow_buffer::OffsetBuffer;
use arrow_schema::DataType;
use parapet_model::{CounterReset, Histogram, Span};
use std::sync::Arc;

/// Rows of the histogram column on their way into a record batch.
#[derive(Debug, Default)]
pub(crate) struct HistogramColumn {
    lengths: Vec<usize>,
    valid: Vec<bool>,
    items: Vec<Arc<Histogram>>,
}

impl HistogramColumn {
    pub(crate) fn push_null(&mut self) {
        self.lengths.push(0);
        self.valid.push(false);
    }

    pub(crate) fn push(&mut self, samples: &[(i64, Arc<Histogram>)]) {
        self.lengths.push(samples.len());
        self.valid.push(true);
        self.items
            .extend(samples.iter().map(|(_, histogram)| histogram.clone()));
    }

    pub(crate) fn finish(self) -> Result<ArrayRef, Error> {
        let items = &self.items;
        let int = |read: fn(&Histogram) -> i32| {
            Arc::new(Int32Array::from_iter_values(items.iter().map(|h| read(h)))) as ArrayRef
        };
        let double = |read: fn(&Histogram) -> f64| {
            Arc::new(Float64Array::from_iter_values(items.iter().map(|h| read(h)))) as ArrayRef
        };
        let columns = vec![
            int(|h| reset_number(h.counter_reset)),
            int(|h| h.schema),
            double(|h| h.zero_threshold),
            double(|h| h.zero_count),
            double(|h| h.count),
            double(|h| h.sum),
            spans(items, |h| &h.positive_spans)?,
            doubles(items, |h| &h.positive_buckets)?,
            spans(items, |h| &h.negative_spans)?,
            doubles(items, |h| &h.negative_buckets)?,
            doubles(items, |h| &h.custom_values)?,
        ];
        list_of_structs(histogram_fields(), columns, self.lengths, self.valid)
    }
}

fn doubles(items: &[Arc<Histogram>], read: fn(&Histogram) -> &Vec<f64>) -> Result<ArrayRef, Error> {
    let values = Float64Array::from_iter_values(items.iter().flat_map(|h| read(h).iter().copied()));
    let offsets = OffsetBuffer::from_lengths(items.iter().map(|h| read(h).len()));
    Ok(Arc::new(ListArray::try_new(
        element(DataType::Float64),
        offsets,
        Arc::new(values),
        None,
    )?))
}

fn spans(items: &[Arc<Histogram>], read: fn(&Histogram) -> &Vec<Span>) -> Result<ArrayRef, Error> {
    let all = || items.iter().flat_map(|h| read(h).iter());
    let starts = Int32Array::from_iter_values(all().map(|span| span.offset));
    // No unsigned types in the file: the same 32 bits, which only differ in sign beyond 2^31 buckets.
    let lengths = Int32Array::from_iter_values(all().map(|span| span.length.cast_signed()));
    let structs = StructArray::try_new(span_fields(), vec![Arc::new(starts), Arc::new(lengths)], None)?;
    let offsets = OffsetBuffer::from_lengths(items.iter().map(|h| read(h).len()));
    Ok(Arc::new(ListArray::try_new(
        element(DataType::Struct(span_fields())),
        offsets,
        Arc::new(structs),
        None,
    )?))
}

/// Reads the histograms of a row.
pub(crate) fn read_row(column: &ListArray, row: usize) -> Result<Vec<Histogram>, Error> {
    let structs = column.value(row);
    let structs = structs
        .as_struct_opt()
        .ok_or_else(|| Error::form("histograms are no structs"))?;
    (0..structs.len()).map(|index| read_one(structs, index)).collect()
}

fn read_one(structs: &StructArray, index: usize) -> Result<Histogram, Error> {
    let column = |name: &str| {
        structs
            .column_by_name(name)
            .ok_or_else(|| Error::form(format!("histograms have no field {name}")))
    };
    let int = |name: &str| {
        let array = column(name)?.as_primitive_opt::<Int32Type>();
        array
            .map(|array| array.value(index))
            .ok_or_else(|| Error::form(format!("{name} is not an int32")))
    };
    let double = |name: &str| {
        let array = column(name)?.as_primitive_opt::<Float64Type>();
        array
            .map(|array| array.value(index))
            .ok_or_else(|| Error::form(format!("{name} is not a double")))
    };
    let list = |name: &str| {
        let array = column(name)?.as_list_opt::<i32>();
        array
            .map(|array| array.value(index))
            .ok_or_else(|| Error::form(format!("{name} is not a list")))
    };
    let double_list = |name: &str| {
        let array = list(name)?;
        let array = array.as_primitive_opt::<Float64Type>();
        array
            .map(|array| array.values().to_vec())
            .ok_or_else(|| Error::form(format!("{name} is not a list of doubles")))
    };
    let span_list = |name: &str| {
        let array = list(name)?;
        let part = |structs: &StructArray, field: &str| {
            Some(
                structs
                    .column_by_name(field)?
                    .as_primitive_opt::<Int32Type>()?
                    .values()
                    .to_vec(),
            )
        };
        let read = || {
            let structs = array.as_struct_opt()?;
            let spans = part(structs, "offset")?.into_iter().zip(part(structs, "length")?);
            Some(
                spans
                    .map(|(offset, length)| Span {
                        offset,
                        length: length.cast_unsigned(),
                    })
                    .collect(),
            )
        };
        read().ok_or_else(|| Error::form(format!("{name} is not a list of spans")))
    };
    Ok(Histogram {
        counter_reset: reset_of_number(int("counter_reset")?),
        schema: int("schema")?,
        zero_threshold: double("zero_threshold")?,
        zero_count: double("zero_count")?,
        count: double("count")?,
        sum: double("sum")?,
        positive_spans: span_list("positive_spans")?,
        positive_buckets: double_list("positive_buckets")?,
        negative_spans: span_list("negative_spans")?,
        negative_buckets: double_list("negative_buckets")?,
        custom_values: double_list("custom_values")?,
    })
}

/// The numbers of `Histogram.ResetHint` in remote write.
fn reset_number(reset: CounterReset) -> i32 {
    match reset {
        CounterReset::Unknown => 0,
        CounterReset::Reset => 1,
        CounterReset::NotReset => 2,
        CounterReset::Gauge => 3,
    }
}

fn reset_of_number(number: i32) -> CounterReset {
    match number {
        1 => CounterReset::Reset,
        2 => CounterReset::NotReset,
        3 => CounterReset::Gauge,
        _ => CounterReset::Unknown,
    }
}
