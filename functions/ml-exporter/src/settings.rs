//! What of the exporter can be tuned.

use parapet_ml::FileLimits;
use parapet_ports::vars::{VarReader, Vars};
use parapet_ports::{Error, Kind};
use parapet_store::tenant;

/// Limits and tunables of the exporter.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whose series they are, and whose histograms are compared.
    pub tenant: String,
    /// The most objects that are listed below one prefix.
    pub max_objects: usize,
    /// The most versions that are told of, the newest first.
    pub max_versions: usize,
    /// The largest file of the registry that is read, bytes.
    pub max_file_bytes: u64,
    /// The most bytes that are read for one window.
    pub max_read_bytes: u64,
    /// The most numbers of one window that are kept, of all its features together; over it every second, fourth … is.
    pub max_values: usize,
    /// The most categories of a feature that are told apart.
    pub max_categories: usize,
    /// The most features of one check.
    pub max_features: usize,
    /// What a Parquet file may ask for.
    pub file: FileLimits,
    /// The most samples that one query may hold in memory.
    pub max_samples: usize,
    /// How far an instant query looks back, milliseconds.
    pub lookback_delta_ms: i64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            tenant: tenant::DEFAULT.to_owned(),
            max_objects: 100_000,
            max_versions: 1_000,
            max_file_bytes: 4 << 20,
            max_read_bytes: 1 << 30,
            max_values: 8_000_000,
            max_categories: 1_000,
            max_features: 1_000,
            file: FileLimits::default(),
            max_samples: 50_000_000,
            lookback_delta_ms: 300_000,
        }
    }
}

impl Settings {
    /// Settings from variables; what is not set keeps its default.
    ///
    /// | variable | |
    /// |---|---|
    /// | `PARAPET_TENANT` | whose series they are |
    /// | `PARAPET_ML_MAX_OBJECTS`, `PARAPET_ML_MAX_VERSIONS`, `PARAPET_ML_MAX_FILE_BYTES` | of a registry |
    /// | `PARAPET_ML_MAX_READ_BYTES`, `PARAPET_ML_MAX_VALUES`, `PARAPET_ML_MAX_CATEGORIES`, `PARAPET_ML_MAX_FEATURES` | of a window |
    /// | `PARAPET_ML_MAX_FOOTER_BYTES`, `PARAPET_ML_MAX_CHUNK_BYTES`, `PARAPET_ML_MAX_PAGE_BYTES`, `PARAPET_ML_MAX_ROW_GROUP_ROWS` | of a Parquet file |
    /// | `PARAPET_QUERY_MAX_SAMPLES`, `PARAPET_QUERY_LOOKBACK_DELTA_MS` | of a query |
    ///
    /// # Errors
    /// [`Kind::Invalid`] with every variable that does not read.
    pub fn from_vars(vars: &dyn Vars) -> Result<Self, Error> {
        let (mut reader, mut settings) = (VarReader::new(vars), Self::default());
        if let Some(name) = reader.optional("PARAPET_TENANT") {
            if let Err(error) = tenant::check(&name) {
                reader.fault(format!("PARAPET_TENANT: {error}"));
            }
            settings.tenant = name;
        }
        for (name, value) in [
            ("PARAPET_ML_MAX_OBJECTS", &mut settings.max_objects),
            ("PARAPET_ML_MAX_VERSIONS", &mut settings.max_versions),
            ("PARAPET_ML_MAX_VALUES", &mut settings.max_values),
            ("PARAPET_ML_MAX_CATEGORIES", &mut settings.max_categories),
            ("PARAPET_ML_MAX_FEATURES", &mut settings.max_features),
            ("PARAPET_ML_MAX_PAGE_BYTES", &mut settings.file.max_page_bytes),
            ("PARAPET_QUERY_MAX_SAMPLES", &mut settings.max_samples),
        ] {
            *value = reader.parsed(name, *value);
            if *value == 0 {
                reader.fault(format!("{name}=0 leaves nothing"));
            }
        }
        for (name, value) in [
            ("PARAPET_ML_MAX_FILE_BYTES", &mut settings.max_file_bytes),
            ("PARAPET_ML_MAX_READ_BYTES", &mut settings.max_read_bytes),
            ("PARAPET_ML_MAX_FOOTER_BYTES", &mut settings.file.max_footer_bytes),
            ("PARAPET_ML_MAX_CHUNK_BYTES", &mut settings.file.max_chunk_bytes),
        ] {
            *value = reader.parsed(name, *value);
        }
        let rows = settings.file.max_row_group_rows;
        settings.file.max_row_group_rows = reader.parsed("PARAPET_ML_MAX_ROW_GROUP_ROWS", rows);
        settings.lookback_delta_ms = reader.parsed("PARAPET_QUERY_LOOKBACK_DELTA_MS", settings.lookback_delta_ms);
        reader.finish(settings)
    }
}

/// The error of a configuration that does not read.
pub(crate) fn invalid(error: impl ToString) -> Error {
    Error::new(Kind::Invalid, error.to_string())
}
