//! Query strings as Go writes them.

/// `url.QueryEscape`.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// `url.Values.Encode`: in order of name.
pub fn encode<'a>(parameters: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let mut parameters: Vec<(&str, String)> = parameters.into_iter().collect();
    parameters.sort_by(|a, b| a.0.cmp(b.0));
    let pairs: Vec<String> = parameters
        .iter()
        .map(|(name, value)| format!("{}={}", escape(name), escape(value)))
        .collect();
    pairs.join("&")
}
