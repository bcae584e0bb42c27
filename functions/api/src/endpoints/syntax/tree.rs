//! The syntax tree as JSON, in the form that Prometheus' interface draws (`translateAST`).

use crate::json::{Object, write_strings};
use parapet_model::{Matcher, format_float};
use parapet_promql::ValueType;
use parapet_promql::ast::{
    AtModifier, Cardinality, DurationExpr, DurationKind, DurationValue, Expr, Extension, NumberLiteral, TimeModifiers,
    VectorMatching, VectorSelector,
};

const NULL: &[u8] = b"null";

/// Writes the fields of a node.
pub(super) fn write(object: &mut Object<'_>, expr: &Expr) {
    match expr {
        Expr::Aggregate(node) => {
            object.string("type", "aggregation");
            object.string("op", node.op.as_str());
            child(object, "expr", &node.expr);
            match &node.param {
                Some(param) => child(object, "param", param),
                None => null(object, "param"),
            }
            write_strings(object.field("grouping"), &node.grouping);
            object.boolean("without", node.without);
        }
        Expr::Binary(node) => {
            object.string("type", "binaryExpr");
            object.string("op", node.op.as_str());
            child(object, "lhs", &node.lhs);
            child(object, "rhs", &node.rhs);
            match &node.matching {
                Some(matching) => object.object("matching", |object| write_matching(object, matching)),
                None => null(object, "matching"),
            }
            object.boolean("bool", node.return_bool);
        }
        Expr::Call(node) => {
            object.string("type", "call");
            object.object("func", |object| {
                object.string("name", node.function.name);
                let types = node.function.args.iter().copied().map(ValueType::as_str);
                write_strings(object.field("argTypes"), types);
                object.integer("variadic", node.function.variadic);
                object.string("returnType", node.function.returns.as_str());
            });
            object.array("args", &node.args, |out, argument| {
                Object::write(out, |object| write(object, argument));
            });
        }
        Expr::Matrix(node) => {
            object.string("type", "matrixSelector");
            object.string("name", &node.selector.name);
            duration(object, "range", "rangeExpr", Some(&node.range));
            write_selector(object, &node.selector);
        }
        Expr::Number(node) => {
            object.string("type", "numberLiteral");
            object.string("val", &format_float(node.value));
        }
        Expr::Paren(node) => {
            object.string("type", "parenExpr");
            child(object, "expr", &node.expr);
        }
        Expr::String(node) => {
            object.string("type", "stringLiteral");
            object.string("val", &node.value);
        }
        Expr::Subquery(node) => {
            object.string("type", "subquery");
            child(object, "expr", &node.expr);
            duration(object, "range", "rangeExpr", Some(&node.range));
            duration(object, "step", "stepExpr", node.step.as_ref());
            write_times(object, &node.time);
        }
        Expr::Unary(node) => {
            object.string("type", "unaryExpr");
            object.string("op", if node.negative { "-" } else { "+" });
            child(object, "expr", &node.expr);
        }
        Expr::Vector(node) => {
            object.string("type", "vectorSelector");
            object.string("name", &node.name);
            write_selector(object, node);
        }
    }
}

fn child(object: &mut Object<'_>, name: &str, expr: &Expr) {
    object.object(name, |object| write(object, expr));
}

fn null(object: &mut Object<'_>, name: &str) {
    object.field(name).extend_from_slice(NULL);
}

fn write_selector(object: &mut Object<'_>, selector: &VectorSelector) {
    object.array("matchers", &selector.matchers, write_matcher);
    write_times(object, &selector.time);
    object.boolean("anchored", selector.extension == Some(Extension::Anchored));
    object.boolean("smoothed", selector.extension == Some(Extension::Smoothed));
}

fn write_matcher(out: &mut Vec<u8>, matcher: &Matcher) {
    Object::write(out, |object| {
        object.string("name", &matcher.name);
        object.string("value", &matcher.value);
        object.string("type", matcher.op.as_str());
    });
}

/// `offset` and `@`.
fn write_times(object: &mut Object<'_>, time: &TimeModifiers) {
    duration(object, "offset", "offsetExpr", time.offset.as_ref());
    match time.at {
        Some(AtModifier::Timestamp(at_ms)) => object.integer("timestamp", at_ms),
        _ => null(object, "timestamp"),
    }
    match time.at {
        Some(AtModifier::Start) => object.string("startOrEnd", "start"),
        Some(AtModifier::End) => object.string("startOrEnd", "end"),
        _ => null(object, "startOrEnd"),
    }
}

/// A duration has two fields: milliseconds where it was written as a literal, else its expression.
fn duration(object: &mut Object<'_>, name: &str, expr_name: &str, value: Option<&DurationValue>) {
    let (literal_ms, expr) = match value {
        Some(DurationValue::Literal(ms)) => (*ms, None),
        Some(DurationValue::Expr(expr)) => (0, Some(expr)),
        None => (0, None),
    };
    object.integer(name, literal_ms);
    match expr {
        Some(expr) => object.object(expr_name, |object| write_duration(object, expr)),
        None => null(object, expr_name),
    }
}

fn write_duration(object: &mut Object<'_>, expr: &DurationExpr) {
    let (op, lhs, rhs) = match &expr.kind {
        DurationKind::Number(NumberLiteral { value, duration, .. }) => {
            object.string("type", "numberLiteral");
            object.string("val", &format_float(*value));
            object.boolean("duration", *duration);
            return;
        }
        DurationKind::Step => ("step", None, None),
        DurationKind::Range => ("range", None, None),
        DurationKind::MinOf(lhs, rhs) => ("min_of", Some(lhs), Some(rhs)),
        DurationKind::MaxOf(lhs, rhs) => ("max_of", Some(lhs), Some(rhs)),
        DurationKind::Negate(operand) => ("-", None, Some(operand)),
        DurationKind::Plus(operand) => ("+", None, Some(operand)),
        DurationKind::Binary(op, lhs, rhs) => (op.as_str(), Some(lhs), Some(rhs)),
    };
    object.string("type", "durationExpr");
    object.string("op", op);
    for (name, side) in [("lhs", lhs), ("rhs", rhs)] {
        match side {
            Some(side) => object.object(name, |object| write_duration(object, side)),
            None => null(object, name),
        }
    }
    object.boolean("wrapped", expr.wrapped);
}

fn write_matching(object: &mut Object<'_>, matching: &VectorMatching) {
    let cardinality = match matching.cardinality {
        Cardinality::OneToOne => "one-to-one",
        Cardinality::ManyToOne => "many-to-one",
        Cardinality::OneToMany => "one-to-many",
        Cardinality::ManyToMany => "many-to-many",
    };
    object.string("card", cardinality);
    write_strings(object.field("labels"), &matching.labels);
    object.boolean("on", matching.on);
    write_strings(object.field("include"), &matching.include);
    object.object("fillValues", |object| {
        for (name, value) in [("lhs", matching.fill_left), ("rhs", matching.fill_right)] {
            match value {
                Some(value) if value.is_finite() => object.number(name, value),
                // JSON has no number for the others.
                _ => null(object, name),
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use crate::json::Object;
    use serde_json::{Value, json};

    fn tree(query: &str) -> Value {
        let expr = parapet_promql::parse(query).unwrap();
        let mut out = Vec::new();
        Object::write(&mut out, |object| super::write(object, &expr));
        serde_json::from_slice(&out).unwrap()
    }

    fn metric(name: &str) -> Value {
        json!({
            "type": "vectorSelector", "name": name, "offset": 0, "offsetExpr": null, "timestamp": null,
            "startOrEnd": null, "anchored": false, "smoothed": false,
            "matchers": [{"name": "__name__", "type": "=", "value": name}]
        })
    }

    #[test]
    fn every_kind_of_node() {
        let number = |value: &str| json!({"type": "numberLiteral", "val": value});
        for (query, want) in [
            ("1.5", number("1.5")),
            ("-Inf", number("-Inf")),
            ("-a", json!({"type": "unaryExpr", "op": "-", "expr": metric("a")})),
            (r#""a""#, json!({"type": "stringLiteral", "val": "a"})),
            ("(a)", json!({"type": "parenExpr", "expr": metric("a")})),
            ("a", metric("a")),
            (
                "topk by (b) (3, a)",
                json!({
                    "type": "aggregation", "op": "topk", "expr": metric("a"), "param": number("3"),
                    "grouping": ["b"], "without": false
                }),
            ),
            (
                "sum(a)",
                json!({
                    "type": "aggregation", "op": "sum", "expr": metric("a"), "param": null, "grouping": [],
                    "without": false
                }),
            ),
            (
                "a >= bool 1",
                json!({
                    "type": "binaryExpr", "op": ">=", "lhs": metric("a"), "rhs": number("1"), "matching": null,
                    "bool": true
                }),
            ),
            (
                "a * on (x) group_left (y) b",
                json!({
                    "type": "binaryExpr", "op": "*", "lhs": metric("a"), "rhs": metric("b"), "bool": false,
                    "matching": {
                        "card": "many-to-one", "labels": ["x"], "on": true, "include": ["y"],
                        "fillValues": {"lhs": null, "rhs": null}
                    }
                }),
            ),
            (
                "time()",
                json!({
                    "type": "call", "args": [],
                    "func": {"name": "time", "argTypes": [], "variadic": 0, "returnType": "scalar"}
                }),
            ),
        ] {
            assert_eq!(tree(query), want, "{query}");
        }
    }

    #[test]
    fn times() {
        let matrix = tree("a[5m] offset -1m @ 2.5");
        assert_eq!(matrix["type"], "matrixSelector");
        assert_eq!(
            (&matrix["range"], &matrix["rangeExpr"]),
            (&json!(300_000), &Value::Null)
        );
        assert_eq!(
            (&matrix["offset"], &matrix["timestamp"]),
            (&json!(-60_000), &json!(2_500))
        );
        let subquery = tree("a[1h:1m] @ end()");
        assert_eq!(subquery["type"], "subquery");
        assert_eq!(
            (&subquery["range"], &subquery["step"]),
            (&json!(3_600_000), &json!(60_000))
        );
        assert_eq!(subquery["startOrEnd"], "end");
        let computed = tree("a[5m * 2]");
        assert_eq!(computed["range"], 0);
        assert_eq!(
            computed["rangeExpr"],
            json!({
                "type": "durationExpr", "op": "*", "wrapped": false,
                "lhs": {"type": "numberLiteral", "val": "300", "duration": true},
                "rhs": {"type": "numberLiteral", "val": "2", "duration": false}
            })
        );
    }
}
