//! Go's `fmt`: `Sprint`, `Sprintln` and `Sprintf` on template values.

use crate::float::{format_default, format_float};
use crate::time::format_duration;
use crate::value::Value;

/// Widths and precisions above this are refused, as Go does above a million; a template needs no such padding.
const MAX_WIDTH: usize = 10_000;

/// Nested values below this depth are not shown.
const MAX_DEPTH: usize = 100;

/// Nothing more is shown of a value after this many bytes: lists that hold each other repeatedly grow exponentially.
/// The limits of an execution are below it.
const MAX_SHOWN_BYTES: usize = crate::environment::MAX_TEXT_BYTES + 64;

/// `fmt.Sprint`: a space between two operands when neither is a text.
pub(crate) fn sprint(values: &[Value]) -> String {
    let mut out = String::new();
    let is_text = |value: &Value| matches!(value, Value::String(_) | Value::Html(_) | Value::Url(_));
    for (index, value) in values.iter().enumerate() {
        if index > 0 && !is_text(value) && !is_text(&values[index - 1]) {
            out.push(' ');
        }
        out.push_str(&shown(value));
    }
    out
}

/// `fmt.Sprintln`
pub(crate) fn sprintln(values: &[Value]) -> String {
    let texts: Vec<String> = values.iter().map(shown).collect();
    format!("{}\n", texts.join(" "))
}

/// A value as `%v` shows it.
pub(crate) fn shown(value: &Value) -> String {
    let mut out = String::new();
    show(&mut out, value, &|out, leaf| out.push_str(&leaf_text(leaf)), false, 0);
    out
}

fn leaf_text(value: &Value) -> String {
    match value {
        Value::Nil => "<nil>".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Uint(value) => value.to_string(),
        Value::Float(value) => format_default(*value),
        Value::String(text) | Value::Html(text) | Value::Url(text) => text.to_string(),
        Value::Time(time) => time.to_string(),
        Value::Duration(nanos) => format_duration(*nanos),
        Value::List(_) | Value::Map(_) | Value::Object(_) => String::new(),
    }
}

/// Walks a value, giving its leaves to `leaf`.
fn show(out: &mut String, value: &Value, leaf: &dyn Fn(&mut String, &Value), names: bool, depth: usize) {
    if depth > MAX_DEPTH || out.len() > MAX_SHOWN_BYTES {
        return;
    }
    if let Value::Object(object) = value
        && let Some(text) = object.display()
    {
        leaf(out, &Value::from(text));
        return;
    }
    if let Some(items) = value.items() {
        out.push('[');
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                out.push(' ');
            }
            show(out, item, leaf, names, depth + 1);
        }
        out.push(']');
    } else if let Some(entries) = value.entries() {
        out.push_str("map[");
        for (index, (key, item)) in entries.iter().enumerate() {
            if index > 0 {
                out.push(' ');
            }
            leaf(out, &Value::String(key.clone()));
            out.push(':');
            show(out, item, leaf, names, depth + 1);
        }
        out.push(']');
    } else if let Value::Object(object) = value {
        out.push('{');
        for (index, (name, item)) in object.fields().iter().enumerate() {
            if index > 0 {
                out.push(' ');
            }
            if names {
                out.push_str(name);
                out.push(':');
            }
            show(out, item, leaf, names, depth + 1);
        }
        out.push('}');
    } else {
        leaf(out, value);
    }
}

#[derive(Clone, Debug, Default)]
struct Spec {
    plus: bool,
    minus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

/// `fmt.Sprintf`
pub(crate) fn sprintf(format: &str, arguments: &[Value]) -> String {
    let mut out = String::new();
    let mut chars = format.chars().peekable();
    let (mut next, mut reordered) = (0, false);
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut spec = Spec::default();
        while let Some(flag) = chars.next_if(|c| "+-# 0".contains(*c)) {
            match flag {
                '+' => spec.plus = true,
                '-' => spec.minus = true,
                '#' => spec.sharp = true,
                ' ' => spec.space = true,
                _ => spec.zero = true,
            }
        }
        let mut bad_index = false;
        reordered |= argument_index(&mut chars, &mut next, arguments.len(), &mut bad_index);
        if chars.next_if_eq(&'*').is_some() {
            match star(arguments, &mut next) {
                Some(width) => {
                    spec.minus |= width < 0;
                    spec.width = Some(width.unsigned_abs().min(MAX_WIDTH as u64) as usize);
                }
                None => out.push_str("%!(BADWIDTH)"),
            }
        } else {
            spec.width = number(&mut chars);
        }
        if chars.next_if_eq(&'.').is_some() {
            reordered |= argument_index(&mut chars, &mut next, arguments.len(), &mut bad_index);
            if chars.next_if_eq(&'*').is_some() {
                match star(arguments, &mut next) {
                    Some(precision) if precision >= 0 => {
                        spec.precision = Some(precision.unsigned_abs().min(MAX_WIDTH as u64) as usize);
                    }
                    Some(_) => {}
                    None => out.push_str("%!(BADPREC)"),
                }
            } else {
                spec.precision = Some(number(&mut chars).unwrap_or(0));
            }
        }
        reordered |= argument_index(&mut chars, &mut next, arguments.len(), &mut bad_index);
        let Some(verb) = chars.next() else {
            out.push_str("%!(NOVERB)");
            break;
        };
        match verb {
            '%' => out.push('%'),
            _ if bad_index => out.push_str(&format!("%!{verb}(BADINDEX)")),
            _ => match arguments.get(next) {
                None => out.push_str(&format!("%!{verb}(MISSING)")),
                Some(value) => {
                    next += 1;
                    out.push_str(&format_value(value, verb, &spec));
                }
            },
        }
    }
    if !reordered && next < arguments.len() {
        let extra: Vec<String> = arguments[next..]
            .iter()
            .map(|value| match value {
                Value::Nil => "<nil>".to_owned(),
                _ => format!("{}={}", value.type_name(), shown(value)),
            })
            .collect();
        out.push_str(&format!("%!(EXTRA {})", extra.join(", ")));
    }
    out
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// `[3]` before a verb, a `*` or a precision; answers whether there was one.
fn argument_index(chars: &mut Chars<'_>, next: &mut usize, count: usize, bad: &mut bool) -> bool {
    if chars.next_if_eq(&'[').is_none() {
        return false;
    }
    let index = number(chars);
    if chars.next_if_eq(&']').is_none() {
        *bad = true;
        return true;
    }
    match index {
        Some(index) if (1..=count).contains(&index) => *next = index - 1,
        _ => *bad = true,
    }
    true
}

fn number(chars: &mut Chars<'_>) -> Option<usize> {
    let mut value = None;
    while let Some(digit) = chars.peek().and_then(|c| c.to_digit(10)) {
        chars.next();
        value = Some((value.unwrap_or(0) * 10 + digit as usize).min(MAX_WIDTH));
    }
    value
}

fn star(arguments: &[Value], next: &mut usize) -> Option<i64> {
    let value = arguments.get(*next);
    *next += 1;
    match value {
        Some(Value::Int(value)) if value.unsigned_abs() <= MAX_WIDTH as u64 => Some(*value),
        _ => None,
    }
}

fn format_value(value: &Value, verb: char, spec: &Spec) -> String {
    match verb {
        'T' => return pad(value.type_name().to_owned(), spec),
        'p' => return format!("%!p({}={})", value.type_name(), shown(value)),
        'v' if spec.sharp => return pad(go_syntax(value), spec),
        _ => {}
    }
    if matches!(value, Value::Nil) && verb != 'v' {
        return format!("%!{verb}(<nil>)");
    }
    let mut out = String::new();
    show(
        &mut out,
        value,
        &|out, leaf| out.push_str(&format_leaf(leaf, verb, spec)),
        spec.plus && verb == 'v',
        0,
    );
    out
}

fn format_leaf(value: &Value, verb: char, spec: &Spec) -> String {
    let bad = || format!("%!{verb}({}={})", value.type_name(), shown(value));
    match (value, verb) {
        (Value::Nil, _) => pad("<nil>".to_owned(), spec),
        (Value::Bool(value), 'v' | 't') => pad(value.to_string(), spec),
        (Value::Int(value) | Value::Duration(value), 'd' | 'b' | 'o' | 'O' | 'x' | 'X' | 'c' | 'q' | 'U') => {
            integer(*value < 0, value.unsigned_abs(), verb, spec)
        }
        (Value::Uint(value), 'v' | 'd' | 'b' | 'o' | 'O' | 'x' | 'X' | 'c' | 'q' | 'U') => {
            integer(false, *value, verb, spec)
        }
        (Value::Int(value), 'v') => integer(*value < 0, value.unsigned_abs(), verb, spec),
        (Value::Float(value), 'v' | 'e' | 'E' | 'f' | 'F' | 'g' | 'G') => float(*value, verb, spec),
        (Value::Time(_) | Value::Duration(_), 'v' | 's' | 'q') => {
            text(&leaf_text(value), verb, spec).unwrap_or_else(bad)
        }
        (Value::String(inner) | Value::Html(inner) | Value::Url(inner), _) => {
            text(inner, verb, spec).unwrap_or_else(bad)
        }
        _ => bad(),
    }
}

fn text(value: &str, verb: char, spec: &Spec) -> Option<String> {
    let cut: String = match spec.precision {
        Some(precision) => value.chars().take(precision).collect(),
        None => value.to_owned(),
    };
    let hex = |bytes: &[u8], upper: bool| {
        let texts: Vec<String> = bytes
            .iter()
            .map(|byte| {
                if upper {
                    format!("{byte:02X}")
                } else {
                    format!("{byte:02x}")
                }
            })
            .collect();
        texts.join(if spec.space { " " } else { "" })
    };
    Some(match verb {
        'v' | 's' => pad(cut, spec),
        'q' if spec.sharp && !cut.contains('`') => pad(format!("`{cut}`"), spec),
        'q' => pad(parapet_model::quote(&cut), spec),
        'x' => pad(hex(cut.as_bytes(), false), spec),
        'X' => pad(hex(cut.as_bytes(), true), spec),
        _ => return None,
    })
}

fn integer(negative: bool, magnitude: u64, verb: char, spec: &Spec) -> String {
    let prefixed = |prefix: &str, digits: String| {
        if spec.sharp {
            format!("{prefix}{digits}")
        } else {
            digits
        }
    };
    let as_char = || char::from_u32(u32::try_from(magnitude).unwrap_or(u32::MAX)).unwrap_or('\u{fffd}');
    let mut digits = match verb {
        'b' => prefixed("0b", format!("{magnitude:b}")),
        'o' => prefixed("0", format!("{magnitude:o}")),
        'O' => format!("0o{magnitude:o}"),
        'x' => prefixed("0x", format!("{magnitude:x}")),
        'X' => prefixed("0X", format!("{magnitude:X}")),
        'c' => return pad(as_char().to_string(), spec),
        'q' => return pad(format!("'{}'", as_char().escape_default()), spec),
        'U' => return pad(format!("U+{magnitude:04X}"), spec),
        _ => magnitude.to_string(),
    };
    if let Some(precision) = spec.precision {
        let missing = precision.saturating_sub(digits.len());
        digits = format!("{}{digits}", "0".repeat(missing));
    }
    pad_number(sign(negative, spec), digits, spec, spec.precision.is_none())
}

fn float(value: f64, verb: char, spec: &Spec) -> String {
    let (verb, precision) = match verb {
        'v' => ('g', spec.precision),
        'e' | 'E' | 'f' | 'F' => (verb, Some(spec.precision.unwrap_or(6))),
        _ => (verb, spec.precision),
    };
    let text = format_float(value, verb, precision, spec.sharp);
    let negative = text.starts_with('-');
    let digits = text.trim_start_matches(['-', '+']).to_owned();
    let sign = match sign(negative, spec) {
        // An infinity always has its sign.
        "" if value == f64::INFINITY => "+",
        other => other,
    };
    pad_number(sign, digits, spec, value.is_finite())
}

fn sign(negative: bool, spec: &Spec) -> &'static str {
    match (negative, spec.plus, spec.space) {
        (true, ..) => "-",
        (_, true, _) => "+",
        (.., true) => " ",
        _ => "",
    }
}

fn pad_number(sign: &str, digits: String, spec: &Spec, zeros_allowed: bool) -> String {
    if spec.zero && !spec.minus && zeros_allowed {
        let missing = spec.width.unwrap_or(0).saturating_sub(sign.len() + digits.len());
        return format!("{sign}{}{digits}", "0".repeat(missing));
    }
    let plain = Spec {
        zero: false,
        ..spec.clone()
    };
    pad(format!("{sign}{digits}"), &plain)
}

fn pad(text: String, spec: &Spec) -> String {
    let missing = spec.width.unwrap_or(0).saturating_sub(text.chars().count());
    if spec.minus {
        format!("{text}{}", " ".repeat(missing))
    } else {
        format!("{}{text}", if spec.zero { "0" } else { " " }.repeat(missing))
    }
}

/// `%#v` for plain values; anything else as `%v`.
fn go_syntax(value: &Value) -> String {
    match value {
        Value::String(text) | Value::Html(text) | Value::Url(text) => parapet_model::quote(text),
        Value::Nil => "<nil>".to_owned(),
        Value::Uint(value) => format!("{value:#x}"),
        _ => shown(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_as_go() {
        let int = Value::Int;
        let text = |text: &str| Value::from(text);
        for (format, arguments, want) in [
            ("%5d|%-5d|%05d", vec![int(42), int(42), int(-42)], "   42|42   |-0042"),
            (
                "%+d %x %X %#x %o %b %c %q %U",
                vec![
                    int(5),
                    int(255),
                    int(255),
                    int(255),
                    int(8),
                    int(5),
                    int(97),
                    int(97),
                    int(97),
                ],
                "+5 ff FF 0xff 10 101 a 'a' U+0061",
            ),
            (
                "%.2f|%8.3f|%g|%e",
                vec![
                    Value::Float(1.005),
                    Value::Float(3.1426),
                    Value::Float(1e6),
                    Value::Float(1234.5),
                ],
                "1.00|   3.143|1e+06|1.234500e+03",
            ),
            (
                "%s %q %v %10s|%-4s|%.2s",
                vec![text("a"), text("b"), text("c"), text("d"), text("e"), text("fgh")],
                "a \"b\" c          d|e   |fg",
            ),
            ("%d%%", vec![int(7)], "7%"),
            ("%d", vec![text("hi")], "%!d(string=hi)"),
            ("%s %d", vec![text("x")], "x %!d(MISSING)"),
            ("%s", vec![text("x"), int(1)], "x%!(EXTRA int=1)"),
            ("%[2]s %[1]s", vec![text("a"), text("b")], "b a"),
            ("%*d", vec![int(4), int(7)], "   7"),
            (
                "%v %s",
                vec![Value::list([int(1), text("a")]), Value::string_list(["x", "y"])],
                "[1 a] [x y]",
            ),
            (
                "%t %v %T",
                vec![Value::Bool(true), Value::Nil, Value::Float(1.0)],
                "true <nil> float64",
            ),
            ("%", vec![], "%!(NOVERB)"),
            ("%08.3f", vec![Value::Float(-3.1426)], "-003.143"),
            (
                "%v",
                vec![Value::map([("b", int(1)), ("a", text("x"))])],
                "map[a:x b:1]",
            ),
        ] {
            assert_eq!(sprintf(format, &arguments), want, "{format}");
        }
        assert_eq!(
            sprint(&[int(1), int(2), text("a"), text("b"), int(3)]),
            "1 2a b3".replace("a b", "ab")
        );
    }
}
