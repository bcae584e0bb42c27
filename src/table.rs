//! Rows in columns: aligned for people, or in Markdown for a pull request.

use std::fmt::Write as _;

/// A table of text.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
    numbers: Vec<&'static str>,
}

impl Table {
    /// A table of these columns.
    pub(crate) fn new<S: Into<String>>(columns: impl IntoIterator<Item = S>) -> Self {
        Self {
            columns: columns.into_iter().map(Into::into).collect(),
            rows: Vec::new(),
            numbers: Vec::new(),
        }
    }

    /// The same, with columns that stand to the right.
    pub(crate) fn numbers(self, numbers: &[&'static str]) -> Self {
        Self {
            numbers: numbers.to_vec(),
            ..self
        }
    }

    /// Adds a row.
    pub(crate) fn row<S: Into<String>>(&mut self, cells: impl IntoIterator<Item = S>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn is_number(&self, column: &str) -> bool {
        self.numbers.contains(&column)
    }

    /// Aligned columns under capitals.
    pub(crate) fn aligned(&self) -> String {
        let mut table = comfy_table::Table::new();
        table.load_style(comfy_table::presets::NOTHING);
        table.set_header(self.columns.iter().map(|column| column.to_uppercase()));
        table.add_rows(&self.rows);
        let last = self.columns.len().saturating_sub(1);
        for (at, column) in table.column_iter_mut().enumerate() {
            column.set_padding((0, if at == last { 0 } else { 2 }));
            if self.is_number(&self.columns[at]) {
                column.set_cell_alignment(comfy_table::CellAlignment::Right);
            }
        }
        table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
    }

    /// A Markdown table.
    pub(crate) fn markdown(&self) -> String {
        let line = |cells: &[String]| {
            let cells: Vec<String> = cells
                .iter()
                .map(|cell| cell.replace('|', "\\|").replace('\n', " "))
                .collect();
            format!("| {} |\n", cells.join(" | "))
        };
        let mut text = line(&self.columns);
        for column in &self.columns {
            let _ = write!(text, "| {} ", if self.is_number(column) { "---:" } else { "---" });
        }
        text.push_str("|\n");
        text.extend(self.rows.iter().map(|row| line(row)));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn aligns_and_marks_down() {
        let mut table = Table::new(["receiver", "pages"]).numbers(&["pages"]);
        table.row(["ops", "12"]);
        table.row(["a|b", "3"]);
        assert_eq!(table.aligned(), "RECEIVER  PAGES\nops          12\na|b           3\n");
        assert_eq!(
            table.markdown(),
            "| receiver | pages |\n| --- | ---: |\n| ops | 12 |\n| a\\|b | 3 |\n"
        );
    }
}
