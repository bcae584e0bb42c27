//! One line of comma-separated values (RFC 4180).

use std::borrow::Cow;

/// The cells of a line; `None` where a quoted cell is not closed or something follows its quote.
pub(crate) fn cells(line: &str, delimiter: char) -> Option<Vec<Cow<'_, str>>> {
    let mut cells = Vec::new();
    let mut rest = line;
    loop {
        let (cell, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_cell(quoted)?,
            None => {
                let length = rest.find(delimiter).unwrap_or(rest.len());
                (Cow::Borrowed(&rest[..length]), &rest[length..])
            }
        };
        cells.push(cell);
        if after.is_empty() {
            return Some(cells);
        }
        rest = after.strip_prefix(delimiter)?;
    }
}

fn quoted_cell(quoted: &str) -> Option<(Cow<'_, str>, &str)> {
    let mut from = 0;
    loop {
        let end = from + quoted[from..].find('"')?;
        if !quoted[end + 1..].starts_with('"') {
            let inside = &quoted[..end];
            let cell = if inside.contains('"') {
                Cow::Owned(inside.replace("\"\"", "\""))
            } else {
                Cow::Borrowed(inside)
            };
            return Some((cell, &quoted[end + 1..]));
        }
        from = end + 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads() {
        for (line, want) in [
            ("a,b", Some(vec!["a", "b"])),
            ("a,,", Some(vec!["a", "", ""])),
            ("", Some(vec![""])),
            (r#""a,b","c ""d""",e"#, Some(vec!["a,b", "c \"d\"", "e"])),
            (r#""open"#, None),
            (r#""a"b,c"#, None),
        ] {
            assert_eq!(
                cells(line, ',').map(|cells| cells.into_iter().map(Cow::into_owned).collect()),
                want.map(|cells| cells.into_iter().map(str::to_owned).collect::<Vec<_>>()),
                "{line}"
            );
        }
        assert_eq!(cells("a\tb", '\t').unwrap().len(), 2);
    }
}
