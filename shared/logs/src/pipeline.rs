//! Pipelines: what is done with lines between their arrival and the store.
//!
//! A pipeline file ([`Pipelines::parse`]) names pipelines; the first whose `match` and `path` fit the stream of a line
//! takes it. Its stages run in order over the fields of the line: parsers add fields, others promote, change or drop
//! them. At the end secrets are redacted in everything that is kept.
//!
//! ```text
//! records ─ multiline ─► stages ─► redaction ─► records with their fields
//!                          ├─► dropped or sampled out: counted
//!                          └─► metrics: counters and histograms, labels redacted too
//! ```
//!
//! A line that a parser does not understand is kept whole, goes on through the stages, and is counted.

mod event;
mod file;
mod file_stages;
mod kubernetes;
mod metric;
mod multiline;
mod redact;
mod shipped;
mod stage;
mod yaml;

use crate::grok::Scratch;
use crate::parse::found::Found;
use crate::parse::skeleton::Skeletons;
use crate::{LogRecord, templates};
use event::{Event, Known, Order};
use multiline::Multiline;
use parapet_model::{Labels, Matcher};
use stage::{Fate, Stage};
use std::collections::BTreeMap;

pub use metric::{MetricKind, Observation};
pub use redact::Redactor;
pub use yaml::{PipelineError, PipelineFault};

/// Whether a line begins a record, whatever comes before it.
pub type Begins = Box<dyn Fn(&[u8]) -> bool + Send + Sync>;

/// Where lines come from.
#[derive(Clone, Copy, Debug, Default)]
pub struct Origin<'a> {
    /// The path of the file that they were read from; empty where there is none.
    pub path: &'a str,
    /// When they arrived, nanoseconds since the Unix epoch.
    pub received_ns: i64,
}

/// The pipelines of a file.
#[derive(Clone, Debug, Default)]
pub struct Pipelines {
    pipelines: Vec<Pipeline>,
    redactor: Redactor,
}

/// One pipeline.
#[derive(Clone, Debug)]
struct Pipeline {
    name: String,
    matchers: Vec<Matcher>,
    paths: Vec<glob::Pattern>,
    multiline: Option<Multiline>,
    stages: Vec<Stage>,
    redactor: Redactor,
    metrics: Vec<metric::Rule>,
    templates: Option<templates::Options>,
}

/// The way that lines of one stream go that follow one another.
struct Way<'p> {
    stream: Labels,
    pipeline: Option<&'p Pipeline>,
    counts: Counts,
}

/// What is kept from one line to the next, to be quick.
#[derive(Debug)]
struct Memory {
    fields: Found<'static>,
    grok: Scratch,
    json: Skeletons,
    order: Order,
}

/// What came of lines.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// The records to store, in the order of their lines.
    pub records: Vec<LogRecord>,
    /// What was counted, by pipeline.
    pub counts: BTreeMap<String, Counts>,
    /// What metric rules observed, one for each series.
    pub observations: Vec<Observation>,
}

/// Lines counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Lines that came, after joining.
    pub lines: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Lines that a parser did not understand; they are kept whole.
    pub unparsed: u64,
    /// Lines whose time no format read; they have the time of their arrival.
    pub without_time: u64,
    /// Lines that a drop rule left out.
    pub dropped: u64,
    /// Lines that a sample rule left out.
    pub sampled_out: u64,
    /// Secrets replaced.
    pub redacted: u64,
}

impl Way<'_> {
    /// Adds what it counted.
    fn tell(self, counts: &mut BTreeMap<String, Counts>) {
        let name = self.pipeline.map_or_else(String::new, |pipeline| pipeline.name.clone());
        counts.entry(name).or_default().add(self.counts);
    }
}

impl Counts {
    /// Adds what was counted elsewhere.
    pub fn add(&mut self, more: Self) {
        self.lines += more.lines;
        self.bytes += more.bytes;
        self.unparsed += more.unparsed;
        self.without_time += more.without_time;
        self.dropped += more.dropped;
        self.sampled_out += more.sampled_out;
        self.redacted += more.redacted;
    }
}

impl Pipelines {
    /// Reads a pipeline file.
    ///
    /// # Errors
    /// [`PipelineError`] with every fault in the file.
    pub fn parse(path: &str, text: &str) -> Result<Self, PipelineError> {
        file::parse(path, text)
    }

    /// The pipelines of this file, then those of `later`.
    #[must_use]
    pub fn before(mut self, later: Self) -> Self {
        self.pipelines.extend(later.pipelines);
        self.redactor = self.redactor.and(&later.redactor);
        self
    }

    /// The names of the pipelines, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.pipelines.iter().map(|pipeline| pipeline.name.as_str())
    }

    /// How message templates of a record's stream are mined, from the pipeline that takes it.
    #[must_use]
    pub fn template_options(&self, record: &LogRecord, path: &str) -> templates::Options {
        let pipeline = self.find(record, path);
        pipeline
            .and_then(|pipeline| pipeline.templates.clone())
            .unwrap_or_default()
    }

    /// Tells which lines of a stream begin a record, where lines are joined; `None` where each line is a record. Before
    /// such a line the stream can be cut into pieces.
    #[must_use]
    pub fn begins(&self, stream: &LogRecord, path: &str) -> Option<Begins> {
        let multiline = self.find(stream, path)?.multiline.clone()?;
        Some(Box::new(move |line| multiline.begins(line)))
    }

    /// Runs records through their pipelines. Each brings its line, its stream, and what its way in knew of it; a time
    /// of 0 is none. Lines of one stream must be in the order in which they were written.
    ///
    /// The answer depends on nothing but the arguments: the same lines give the same records again.
    #[must_use]
    pub fn process(&self, records: Vec<LogRecord>, origin: Origin<'_>) -> Outcome {
        let mut observed = metric::Observed::default();
        let mut memory = Memory {
            fields: Found::with_room(),
            grok: Scratch::default(),
            json: Skeletons::default(),
            order: Order::default(),
        };
        let (mut records, mut counts) = (self.join(records, origin), BTreeMap::new());
        let mut way: Option<Way<'_>> = None;
        records.retain_mut(|record| {
            let way = match &mut way {
                Some(way) if way.stream == record.stream => way,
                other => {
                    other.take().into_iter().for_each(|way| way.tell(&mut counts));
                    other.insert(Way {
                        stream: record.stream.clone(),
                        pipeline: self.find(record, origin.path),
                        counts: Counts::default(),
                    })
                }
            };
            way.counts.lines += 1;
            way.counts.bytes += record.raw.len() as u64;
            self.one(way, record, origin, &mut observed, &mut memory)
        });
        way.into_iter().for_each(|way| way.tell(&mut counts));
        Outcome {
            records,
            counts,
            observations: observed.finish(),
        }
    }

    /// Joins lines, where a pipeline says so.
    fn join(&self, records: Vec<LogRecord>, origin: Origin<'_>) -> Vec<LogRecord> {
        if self.pipelines.iter().all(|pipeline| pipeline.multiline.is_none()) {
            return records;
        }
        let mut joined = Vec::with_capacity(records.len());
        let mut rest = records.into_iter().peekable();
        while let Some(first) = rest.next() {
            let pipeline = self.find(&first, origin.path);
            let mut same = vec![first];
            while let Some(next) = rest.next_if(|next| next.stream == same[0].stream) {
                same.push(next);
            }
            match pipeline.and_then(|pipeline| pipeline.multiline.as_ref()) {
                Some(multiline) => joined.extend(multiline.join(same)),
                None => joined.extend(same),
            }
        }
        joined
    }

    fn find(&self, record: &LogRecord, path: &str) -> Option<&Pipeline> {
        self.pipelines.iter().find(|pipeline| {
            pipeline
                .matchers
                .iter()
                .all(|matcher| matcher.matches_labels(&record.stream))
                && (pipeline.paths.is_empty() || pipeline.paths.iter().any(|pattern| pattern.matches(path)))
        })
    }

    /// Runs a record through its pipeline; answers whether it is kept.
    fn one(
        &self,
        way: &mut Way<'_>,
        record: &mut LogRecord,
        origin: Origin<'_>,
        observed: &mut metric::Observed,
        memory: &mut Memory,
    ) -> bool {
        let (pipeline, counts) = (way.pipeline, &mut way.counts);
        let known = Known::take(record);
        let fields = std::mem::take(&mut memory.fields);
        let mut event = Event::new(&known, record, origin, fields);
        for stage in pipeline.map_or(&[][..], |pipeline| &pipeline.stages) {
            match stage.apply(&mut event, memory) {
                Fate::On => {}
                Fate::Unparsed => event.unparsed = true,
                Fate::WithoutTime => counts.without_time += 1,
                Fate::Dropped => {
                    counts.dropped += 1;
                    return false;
                }
                Fate::SampledOut => {
                    counts.sampled_out += 1;
                    return false;
                }
            }
        }
        counts.unparsed += u64::from(event.unparsed);
        memory.fields = event.finish(&known, record, &mut memory.order).cleared();
        for redactor in [Some(&self.redactor), pipeline.map(|pipeline| &pipeline.redactor)]
            .into_iter()
            .flatten()
        {
            counts.redacted += redactor.redact(record);
        }
        for rule in pipeline.map_or(&[][..], |pipeline| &pipeline.metrics) {
            observed.observe(rule, record);
        }
        true
    }
}

#[cfg(test)]
mod tests;
