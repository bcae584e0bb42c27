//! Windows of features, collected from Parquet files row group by row group.

use crate::table_file::Cell;
use crate::{Categories, Column, ColumnKind, FileError, FileLimits, TableFile, Thinned, Window};
use parapet_segment::Source;
use std::collections::BTreeMap;

/// Collects the windows of some features from any number of files, in bounded memory.
#[derive(Debug)]
pub struct Collector {
    /// The features that are wanted; none for every column that can be one.
    features: Vec<String>,
    exclude: Vec<String>,
    /// The most numbers that are kept, of all features together.
    max_values: usize,
    /// The most categories of a feature.
    max_categories: usize,
    /// The most numbers of one feature, known from the first file on.
    share: Option<usize>,
    windows: BTreeMap<String, Building>,
}

#[derive(Debug)]
struct Building {
    values: Values,
    missing: u64,
}

#[derive(Debug)]
enum Values {
    Numbers(Thinned),
    Categories(Categories),
}

impl Collector {
    /// Collects `features`, or all but `exclude` where none is named. Of all features together at most `max_values`
    /// numbers are kept ([`Thinned`]); categories over `max_categories` of a feature are counted as one.
    #[must_use]
    pub fn new(features: Vec<String>, exclude: Vec<String>, max_values: usize, max_categories: usize) -> Self {
        Self {
            features,
            exclude,
            max_values,
            max_categories,
            share: None,
            windows: BTreeMap::new(),
        }
    }

    /// The columns of a file that are features here.
    ///
    /// # Errors
    /// Where one that is named is not there, or can be no feature.
    pub fn columns(&self, file: &TableFile) -> Result<Vec<usize>, FileError> {
        let columns = file.columns();
        let is_feature = |kind| matches!(kind, ColumnKind::Numbers | ColumnKind::Categories);
        if self.features.is_empty() {
            let places = columns.iter().enumerate();
            let wanted = places.filter(|(_, (name, kind))| is_feature(*kind) && !self.exclude.contains(name));
            return Ok(wanted.map(|(place, _)| place).collect());
        }
        let mut places = Vec::new();
        for feature in &self.features {
            let Some(place) = columns.iter().position(|(name, _)| name == feature) else {
                let names: Vec<&str> = columns.iter().take(20).map(|(name, _)| name.as_str()).collect();
                let text = format!("has no column {feature}; it has {}", names.join(", "));
                return Err(FileError(text));
            };
            if !is_feature(columns[place].1) {
                let text = format!("column {feature} holds neither numbers nor texts nor booleans");
                return Err(FileError(text));
            }
            places.push(place);
        }
        Ok(places)
    }

    /// Takes columns of a row group from the bytes that were fetched of them; `keep` names the rows, all where it is
    /// `None`. What was taken before a fault stays.
    ///
    /// # Errors
    /// Where a column does not read, or is of another kind than in the files before.
    pub fn take(
        &mut self,
        file: &TableFile,
        group: usize,
        columns: &[usize],
        source: &Source,
        keep: Option<&[bool]>,
        limits: &FileLimits,
    ) -> Result<(), FileError> {
        let share = *self.share.get_or_insert(self.max_values / columns.len().max(1));
        let named = file.columns();
        for column in columns {
            let Some((name, kind)) = named.get(*column) else {
                continue;
            };
            let building = self.windows.entry(name.clone()).or_insert_with(|| Building {
                values: match kind {
                    ColumnKind::Categories => Values::Categories(Categories::default()),
                    _ => Values::Numbers(Thinned::new(share)),
                },
                missing: 0,
            });
            let fits = matches!(
                (&building.values, kind),
                (Values::Numbers(_), ColumnKind::Numbers) | (Values::Categories(_), ColumnKind::Categories)
            );
            if !fits {
                let text = format!("column {name} holds numbers in some files and categories in others");
                return Err(FileError(text));
            }
            let max_categories = self.max_categories;
            file.read(group, *column, source, keep, limits, |cell| {
                match (cell, &mut building.values) {
                    (Cell::Number(number), Values::Numbers(numbers)) => numbers.push(number),
                    (Cell::Category(category), Values::Categories(categories)) => {
                        categories.add(category, 1.0, max_categories);
                    }
                    _ => building.missing += 1,
                }
            })?;
        }
        Ok(())
    }

    /// What was collected, by feature.
    #[must_use]
    pub fn finish(self) -> BTreeMap<String, Window> {
        let window = |building: Building| {
            let (column, values, range) = match building.values {
                Values::Numbers(numbers) => {
                    let (seen, range) = (numbers.seen() as f64, numbers.range());
                    (Column::Numbers(numbers.into_numbers()), seen, range)
                }
                Values::Categories(categories) => {
                    let values = categories.total();
                    (Column::Categories(categories), values, None)
                }
            };
            let all = values + building.missing as f64;
            Window {
                missing_ratio: (all > 0.0).then(|| building.missing as f64 / all),
                range,
                values,
                column,
            }
        };
        self.windows
            .into_iter()
            .map(|(name, building)| (name, window(building)))
            .collect()
    }
}
