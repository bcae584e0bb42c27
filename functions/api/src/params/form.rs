//! The parameters of one request, in the order in which Go's `http.Request.Form` holds them.

use std::collections::BTreeMap;

/// Parameters by name; each with all its values, those of the body before those of the query string.
#[derive(Clone, Debug, Default)]
pub(crate) struct Form {
    all: BTreeMap<String, Vec<String>>,
    /// Some endpoints look at the query string alone (`r.URL.Query()` in Prometheus).
    query: BTreeMap<String, Vec<String>>,
}

impl Form {
    /// Reads a query string and a form body.
    pub(crate) fn parse(query: Option<&str>, body: Option<&[u8]>) -> Self {
        let mut form = Self::default();
        for (name, value) in pairs(body.unwrap_or_default()) {
            form.all.entry(name).or_default().push(value);
        }
        for (name, value) in pairs(query.unwrap_or_default().as_bytes()) {
            form.all.entry(name.clone()).or_default().push(value.clone());
            form.query.entry(name).or_default().push(value);
        }
        form
    }

    /// The first value; `None` where it is absent or empty, which every parameter takes to be the same.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        first(&self.all, name)
    }

    /// The first value in the query string alone.
    pub(crate) fn query_get(&self, name: &str) -> Option<&str> {
        first(&self.query, name)
    }

    /// All values.
    pub(crate) fn all(&self, name: &str) -> &[String] {
        self.all.get(name).map(Vec::as_slice).unwrap_or_default()
    }
}

fn first<'a>(values: &'a BTreeMap<String, Vec<String>>, name: &str) -> Option<&'a str> {
    values
        .get(name)
        .and_then(|values| values.first())
        .map(String::as_str)
        .filter(|value| !value.is_empty())
}

/// The pairs of `a=1&b=2`. A part with a semicolon is dropped, as by Go since 1.17.
fn pairs(text: &[u8]) -> impl Iterator<Item = (String, String)> + '_ {
    text.split(|byte| *byte == b'&')
        .filter(|part| !part.contains(&b';'))
        .flat_map(url::form_urlencoded::parse)
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
}

#[cfg(test)]
mod tests {
    use super::Form;

    #[test]
    fn body_comes_before_query_string() {
        let form = Form::parse(Some("query=a%2Bb&match[]=x&empty="), Some(b"query=c+d&match%5B%5D=y"));
        assert_eq!(form.get("query"), Some("c d"));
        assert_eq!(form.query_get("query"), Some("a+b"));
        assert_eq!(form.all("match[]"), ["y", "x"]);
        assert_eq!(form.get("empty"), None);
        assert_eq!(form.get("absent"), None);
        assert!(form.all("absent").is_empty());
    }

    #[test]
    fn semicolons_do_not_separate() {
        let form = Form::parse(Some("a=1;b=2&c=3"), None);
        assert_eq!(form.get("a"), None);
        assert_eq!(form.get("c"), Some("3"));
    }
}
