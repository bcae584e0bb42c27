//! A tree over several lines (`promql/parser/prettier.go` of Prometheus).

use super::{write_aggregate_head, write_operator, write_subquery_tail};
use crate::ast::{BinaryOp, Expr};

/// What is longer than this, in bytes, is split.
const LINE: usize = 100;

/// Writes a query with a line for each part, where it is too long for one line; `format_query` of the HTTP API.
///
/// ```
/// let expr = parapet_promql::parse("sum(a)").unwrap();
/// assert_eq!(parapet_promql::pretty(&expr), "sum(a)");
/// ```
#[must_use]
pub fn pretty(expr: &Expr) -> String {
    pretty_within(expr, LINE)
}

/// [`pretty`] for lines of another length, in bytes.
#[must_use]
pub fn pretty_within(expr: &Expr, line: usize) -> String {
    Prettifier { line }.print(expr, 0)
}

struct Prettifier {
    line: usize,
}

impl Prettifier {
    fn print(&self, expr: &Expr, level: usize) -> String {
        let indent = "  ".repeat(level);
        let one_line = expr.to_string();
        if matches!(expr, Expr::Subquery(_)) && one_line.len() <= self.line {
            // As Prometheus does: a short subquery is not indented.
            return one_line;
        }
        let splits = one_line.len() > self.line;
        match expr {
            Expr::Unary(node) => {
                let operand = self.print(&node.expr, level);
                format!("{indent}{}{}", BinaryOp::sign(node.negative).as_str(), operand.trim())
            }
            Expr::Aggregate(node) if splits => {
                let mut out = indent.clone();
                // Writing to a text cannot fail.
                let _ = write_aggregate_head(&mut out, node);
                out.push_str("(\n");
                if let Some(param) = &node.param {
                    out.push_str(&self.print(param, level + 1));
                    out.push_str(",\n");
                }
                out.push_str(&self.print(&node.expr, level + 1));
                format!("{out}\n{indent})")
            }
            Expr::Binary(node) if splits => {
                let mut operator = String::new();
                let _ = write_operator(&mut operator, node);
                let (left, right) = (self.print(&node.lhs, level + 1), self.print(&node.rhs, level + 1));
                format!("{left}\n{indent}{operator}\n{right}")
            }
            Expr::Call(node) if splits => {
                let args: Vec<String> = node.args.iter().map(|arg| self.print(arg, level + 1)).collect();
                format!("{indent}{}(\n{}\n{indent})", node.function.name, args.join(",\n"))
            }
            Expr::Paren(node) if splits => format!("{indent}(\n{}\n{indent})", self.print(&node.expr, level + 1)),
            Expr::Subquery(node) => {
                let mut out = self.print(&node.expr, level);
                let _ = write_subquery_tail(&mut out, node);
                out
            }
            _ => format!("{indent}{one_line}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    #[test]
    fn splits_what_is_too_long() {
        let expr = parse("sum by (job) (rate(http_requests_total[5m])) / -up").unwrap();
        let want = "  sum by (job) (\n    rate(\n      http_requests_total[5m]\n    )\n  )\n/\n  -up";
        assert_eq!(pretty_within(&expr, 10), want);
        assert_eq!(pretty(&expr), expr.to_string());
    }
}
