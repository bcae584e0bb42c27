//! CPU time and tables.

/// CPU-seconds of this process so far.
pub(crate) fn cpu_seconds() -> f64 {
    parapet_benches::process::cpu_seconds(std::process::id())
}

/// One line of the table.
#[derive(Debug)]
pub(crate) struct Row {
    name: String,
    value: String,
    unit: &'static str,
}

impl Row {
    pub(crate) fn new(name: &str, value: String, unit: &'static str) -> Self {
        Self {
            name: name.to_owned(),
            value,
            unit,
        }
    }
}

/// Prints a Markdown table, aligned.
pub(crate) fn print(rows: &[Row]) {
    let width = |of: fn(&Row) -> usize| rows.iter().map(of).max().unwrap_or(0);
    let (name, value, unit) = (
        width(|r| r.name.len()),
        width(|r| r.value.len()),
        width(|r| r.unit.len()),
    );
    println!("| {:name$} | {:>value$} | {:unit$} |", "", "", "");
    println!(
        "|{}|{}:|{}|",
        "-".repeat(name + 2),
        "-".repeat(value + 1),
        "-".repeat(unit + 2)
    );
    for row in rows {
        println!("| {:name$} | {:>value$} | {:unit$} |", row.name, row.value, row.unit);
    }
}
