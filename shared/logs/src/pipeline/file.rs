//! Reads a pipeline file.

use super::file_stages::{query, stage};
use super::multiline::Multiline;
use super::yaml::{self, Fields, Node, PipelineError, Reader, Tree};
use super::{Pipeline, Pipelines, Redactor, metric};
use crate::filter::Filter;
use crate::templates::{Miner, Options};
use parapet_model::{is_legacy_label_name, is_legacy_metric_name, quote};

const PIPELINE: [&str; 8] = [
    "name",
    "match",
    "path",
    "multiline",
    "stages",
    "redact",
    "metrics",
    "templates",
];

pub(super) fn parse(path: &str, text: &str) -> Result<Pipelines, PipelineError> {
    let fail = |faults| PipelineError {
        path: path.to_owned(),
        faults,
    };
    let node = yaml::parse(text).map_err(|fault| fail(vec![fault]))?;
    let mut reader = Reader::default();
    let pipelines = file(&node, &mut reader);
    if reader.faults.is_empty() {
        return Ok(pipelines);
    }
    reader.faults.sort_by_key(|fault| (fault.line, fault.column));
    Err(fail(reader.faults))
}

fn file(node: &Node, reader: &mut Reader) -> Pipelines {
    let mut file = Pipelines::default();
    let Some(fields) = reader.fields(node, "a pipeline file", &["redact", "pipelines"]) else {
        return file;
    };
    if let Some(node) = fields.get("redact") {
        file.redactor = redactor(node, reader);
    }
    match fields.get("pipelines").map(|node| &node.value) {
        Some(Tree::Sequence(nodes)) => {
            for node in nodes {
                let read = pipeline(node, &file.pipelines, reader);
                file.pipelines.extend(read);
            }
        }
        None | Some(Tree::Null) => {}
        Some(_) => reader.fault(fields.at, "pipelines must be a sequence; write - name: … below it"),
    }
    for (index, pipeline) in file.pipelines.iter().enumerate() {
        if file.pipelines[..index].iter().any(|other| other.name == pipeline.name) {
            reader.fault(
                fields.at,
                format!("two pipelines have the name {}; rename one", quote(&pipeline.name)),
            );
        }
    }
    file
}

fn pipeline(node: &Node, earlier: &[Pipeline], reader: &mut Reader) -> Option<Pipeline> {
    let fields = reader.fields(node, "a pipeline", &PIPELINE)?;
    let name = fields
        .needed(reader, "name", "nginx")
        .and_then(|node| reader.text(node, "name"));
    let mut matchers = Vec::new();
    if let Some(node) = fields.get("match")
        && let Some(text) = reader.text(node, "match")
    {
        let parsed = crate::logql::parse_selector(&text)
            .map_err(|error| format!("{error}; write a stream selector such as '{{app=\"nginx\"}}'"));
        matchers = reader.check(node.defined, parsed).unwrap_or_default();
    }
    let mut paths = Vec::new();
    if let Some(node) = fields.get("path") {
        for (text, at) in reader.texts(node, "path") {
            let pattern = glob::Pattern::new(&text).map_err(|error| {
                format!(
                    "invalid path pattern: {}; write for example /var/log/nginx/*.log",
                    error.msg
                )
            });
            paths.extend(reader.check(at, pattern));
        }
    }
    let mut joined = fields.get("multiline").and_then(|node| multiline(node, reader));
    let mut templates = fields.get("templates").and_then(|node| templates(node, reader));
    let mut stages = Vec::new();
    if let Some(node) = fields.get("stages") {
        let Tree::Sequence(nodes) = &node.value else {
            reader.fault(node.defined, "stages must be a sequence; write - json: {} below it");
            return None;
        };
        for node in nodes {
            match used(node, earlier, reader) {
                Some(Some(used)) => {
                    stages.extend(used.stages.iter().cloned());
                    joined = joined.or_else(|| used.multiline.clone());
                    templates = templates.or_else(|| used.templates.clone());
                }
                Some(None) => {}
                None => stages.extend(stage(node, reader)),
            }
        }
    }
    Some(Pipeline {
        name: name?,
        templates,
        matchers,
        paths,
        multiline: joined,
        stages,
        redactor: fields
            .get("redact")
            .map_or_else(Redactor::default, |node| redactor(node, reader)),
        metrics: match fields.get("metrics").map(|node| (&node.value, node)) {
            None => Vec::new(),
            Some((Tree::Sequence(nodes), _)) => nodes.iter().filter_map(|node| metric_rule(node, reader)).collect(),
            Some((_, node)) => {
                reader.fault(node.defined, "metrics must be a sequence; write - name: … below it");
                Vec::new()
            }
        },
    })
}

/// The pipeline that `- use: NAME` takes in: an earlier one of the file, or a shipped one. `None` for other stages,
/// `Some(None)` after a fault.
fn used<'a>(node: &Node, earlier: &'a [Pipeline], reader: &mut Reader) -> Option<Option<&'a Pipeline>> {
    let Tree::Mapping(pairs) = &node.value else { return None };
    let [(key, value)] = pairs.as_slice() else { return None };
    if key.value != "use" {
        return None;
    }
    let Some(name) = reader.text(value, "use") else {
        return Some(None);
    };
    let own = earlier.iter().find(|pipeline| pipeline.name == name);
    // The shipped file itself has only what stands before.
    let found = own.or_else(|| super::shipped::find(&name));
    if found.is_none() {
        let names: Vec<&str> = Pipelines::shipped_names().collect();
        let message = format!(
            "there is no pipeline {}; shipped ones are {}",
            quote(&name),
            names.join(", ")
        );
        reader.fault(value.defined, message);
    }
    Some(found)
}

fn multiline(node: &Node, reader: &mut Reader) -> Option<Multiline> {
    let fields = reader.fields(node, "multiline", &["starts", "continues", "max_lines", "max_bytes"])?;
    let mut regex = |name: &str| {
        let node = fields.get(name)?;
        let text = reader.text(node, name)?;
        let compiled = regex::bytes::Regex::new(&text).map_err(|error| format!("{name}: {error}"));
        reader.check(node.defined, compiled)
    };
    let (starts, continues) = (regex("starts"), regex("continues"));
    if starts.is_none() && continues.is_none() {
        let message = "starts or continues must be set; write for example starts: '^\\d{4}-' or continues: '^\\s'";
        reader.fault(fields.at, message);
        return None;
    }
    let mut limit = |name: &str, default: usize, most: f64| {
        let number = fields.get(name).and_then(|node| reader.number(node, name, 1.0, most));
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Within its bounds.
        number.map_or(default, |number| number as usize)
    };
    Some(Multiline {
        starts,
        continues,
        max_lines: limit("max_lines", 500, 100_000.0),
        max_bytes: limit("max_bytes", 1 << 20, 64_000_000.0),
    })
}

fn templates(node: &Node, reader: &mut Reader) -> Option<Options> {
    let fields = reader.fields(node, "templates", &["similarity", "prefix_words", "masks"])?;
    let mut options = Options::default();
    if let Some(node) = fields.get("similarity") {
        options.similarity = reader.number(node, "similarity", 0.0, 1.0)?;
    }
    if let Some(node) = fields.get("prefix_words") {
        let number = reader.number(node, "prefix_words", 0.0, 16.0)?;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Within its bounds.
        (options.prefix_words = number as usize);
    }
    if let Some(node) = fields.get("masks") {
        options.masks = reader.texts(node, "masks").into_iter().map(|(mask, _)| mask).collect();
    }
    let miner = Miner::new(options.clone());
    reader.check(node.defined, miner).map(|_| options)
}

fn redactor(node: &Node, reader: &mut Reader) -> Redactor {
    let mut redactor = Redactor::default();
    let nodes = match &node.value {
        Tree::Sequence(nodes) => nodes.as_slice(),
        _ => {
            let kinds: Vec<&str> = Redactor::kinds().collect();
            reader.fault(
                node.defined,
                format!("redact must be a sequence of kinds ({}) and rules", kinds.join(", ")),
            );
            return redactor;
        }
    };
    for node in nodes {
        if let Tree::Scalar(kind) = &node.value {
            let added = redactor.add_kind(kind);
            reader.check(node.defined, added);
            continue;
        }
        let Some(fields) = reader.fields(node, "a redaction rule", &["name", "pattern", "replace"]) else {
            continue;
        };
        let name = fields
            .needed(reader, "name", "employee")
            .and_then(|node| reader.text(node, "name"));
        let pattern = fields.needed(reader, "pattern", "'EMP-\\d+'");
        let replace = fields.text(reader, "replace");
        if let (Some(name), Some(node)) = (name, pattern)
            && let Some(pattern) = reader.text(node, "pattern")
        {
            let added = redactor.add_rule(&name, &pattern, replace.as_deref());
            reader.check(node.defined, added);
        }
    }
    redactor
}

fn metric_rule(node: &Node, reader: &mut Reader) -> Option<metric::Rule> {
    let known = ["name", "type", "where", "value", "buckets", "labels"];
    let fields = reader.fields(node, "a metric", &known)?;
    let name_node = fields.needed(reader, "name", "http_requests_total")?;
    let name = reader.text(name_node, "name")?;
    if !is_legacy_metric_name(&name) {
        reader.fault(
            name_node.defined,
            format!(
                "{} is no metric name; write for example http_requests_total",
                quote(&name)
            ),
        );
    }
    let kind = fields.needed(reader, "type", "counter")?;
    let kind_name = reader.text(kind, "type")?;
    let value = fields.text(reader, "value");
    let buckets = match kind_name.as_str() {
        "counter" => None,
        "histogram" => {
            if value.is_none() {
                reader.fault(fields.at, "a histogram needs value; write the field that it observes");
            }
            Some(buckets(&fields, reader))
        }
        _ => {
            reader.fault(
                kind.defined,
                format!("{} is no type; write counter or histogram", quote(&kind_name)),
            );
            None
        }
    };
    let mut labels = Vec::new();
    if let Some(node) = fields.get("labels") {
        let pairs = match &node.value {
            Tree::Sequence(_) => reader
                .texts(node, "labels")
                .into_iter()
                .map(|(name, at)| (name.replace('.', "_"), name, at))
                .collect(),
            _ => reader.pairs(node, "labels"),
        };
        for (label, field, at) in pairs {
            if !is_legacy_label_name(&label) || label == "le" {
                reader.fault(
                    at,
                    format!("{} cannot be a label; write letters, digits and _", quote(&label)),
                );
            }
            labels.push((label, field));
        }
    }
    Some(metric::Rule {
        name,
        filter: fields
            .get("where")
            .map_or(Some(Filter::All), |node| query(node, "where", reader))?,
        value,
        buckets,
        labels,
    })
}

fn buckets(fields: &Fields<'_>, reader: &mut Reader) -> Vec<f64> {
    const DEFAULT: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
    let Some(node) = fields.get("buckets") else {
        return DEFAULT.to_vec();
    };
    let bounds: Vec<Option<f64>> = reader
        .texts(node, "buckets")
        .into_iter()
        .map(|(text, _)| crate::parse_quantity(&text))
        .collect();
    let known: Vec<f64> = bounds.iter().copied().flatten().collect();
    if known.len() != bounds.len() || known.is_empty() || !known.is_sorted_by(|a, b| a < b) {
        reader.fault(
            node.defined,
            "buckets must be numbers that rise; write for example [0.1, 0.5, 1, 5]",
        );
    }
    known
}
