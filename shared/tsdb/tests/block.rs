//! A block as a whole: what is written is read, what is changed is told.
#![allow(clippy::unwrap_used)]

use parapet_model::{Histogram, Labels, Span, stale_nan};
use parapet_tsdb::{
    BlockSeries, ChunkFiles, ChunkMeta, ChunkWriter, Error, Index, Samples, encode, file_name, write_index,
};
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

/// Files in memory.
#[derive(Clone, Default)]
struct Files(Arc<Mutex<Vec<Vec<u8>>>>);

impl Write for Files {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().last_mut().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn series() -> Vec<(Labels, Samples)> {
    let times = |count: i64| (0..count).map(|n| 1_795_219_200_000 + n * 15_000).collect::<Vec<_>>();
    let float = |instance: usize| {
        let mut values: Vec<f64> = (0..300).map(|n| (n * instance) as f64).collect();
        values[7] = stale_nan();
        values[8] = f64::from_bits(0x7ff8_dead_beef_0001);
        values[9] = -0.0;
        let labels = Labels::from_pairs([
            ("__name__", "requests_total".to_owned()),
            ("instance", format!("i{instance:03}")),
            ("zone", "é".to_owned()),
        ]);
        (
            labels,
            Samples::Floats {
                timestamps: times(300),
                values,
            },
        )
    };
    let histogram = |n: i64| Histogram {
        schema: 2,
        count: n as f64,
        sum: n as f64 / 3.0,
        positive_spans: vec![Span { offset: 0, length: 1 }],
        positive_buckets: vec![n as f64],
        counter_reset: if n % 120 == 0 {
            parapet_model::CounterReset::Unknown
        } else {
            parapet_model::CounterReset::NotReset
        },
        ..Histogram::default()
    };
    let histograms = times(200)
        .into_iter()
        .zip((0..200).map(|n| Arc::new(histogram(n))))
        .collect();
    let mut all: Vec<_> = (0..200).map(float).collect();
    all.push((
        Labels::from_pairs([("__name__", "latency")]),
        Samples::Histograms(histograms),
    ));
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

fn written() -> (Vec<u8>, Vec<Vec<u8>>) {
    let files = Files::default();
    let mut writer = ChunkWriter::new(|number| {
        assert_eq!(file_name(number), format!("{number:06}"));
        files.0.lock().unwrap().push(Vec::new());
        Ok(files.clone())
    });
    let indexed: Vec<BlockSeries> = series()
        .into_iter()
        .map(|(labels, samples)| {
            let chunks = encode(&samples).into_iter().map(|chunk| ChunkMeta {
                min_ms: chunk.min_ms,
                max_ms: chunk.max_ms,
                reference: writer.write(&chunk).unwrap(),
            });
            BlockSeries {
                labels,
                chunks: chunks.collect(),
            }
        })
        .collect();
    writer.finish().unwrap();
    let mut index = Vec::new();
    write_index(&mut index, &indexed).unwrap();
    let chunks = files.0.lock().unwrap().clone();
    (index, chunks)
}

/// Floats by their bits.
fn form(samples: &[Samples]) -> Vec<String> {
    let one = |samples: &Samples| match samples {
        Samples::Floats { timestamps, values } => {
            let bits: Vec<u64> = values.iter().map(|value| value.to_bits()).collect();
            vec![format!("{timestamps:?} {bits:?}")]
        }
        Samples::Histograms(samples) => samples.iter().map(|sample| format!("{sample:?}")).collect(),
    };
    samples.iter().flat_map(one).collect()
}

fn read(index: Vec<u8>, chunks: Vec<Vec<u8>>) -> Result<Vec<(Labels, Vec<Samples>)>, Error> {
    let index = Index::open(index)?;
    let mut files = ChunkFiles::new(chunks);
    let mut all = Vec::new();
    for series in index.series() {
        let series = series?;
        let samples: Result<Vec<Samples>, Error> =
            series.chunks.iter().map(|chunk| files.read(chunk.reference)).collect();
        all.push((series.labels, samples?));
    }
    Ok(all)
}

#[test]
fn what_is_written_is_read() {
    let (index, chunks) = written();
    let read = read(index, chunks).unwrap();
    let want = series();
    assert_eq!(read.len(), want.len());
    for ((labels, samples), (want_labels, want_samples)) in read.iter().zip(&want) {
        assert_eq!(labels, want_labels);
        assert_eq!(samples.iter().map(Samples::len).sum::<usize>(), want_samples.len());
        let parts: Vec<Samples> = match want_samples {
            Samples::Floats { timestamps, values } => timestamps
                .chunks(120)
                .zip(values.chunks(120))
                .map(|(t, v)| Samples::Floats {
                    timestamps: t.to_vec(),
                    values: v.to_vec(),
                })
                .collect(),
            histograms @ Samples::Histograms(_) => vec![histograms.clone()],
        };
        assert_eq!(form(samples), form(&parts));
    }
}

#[test]
fn every_changed_byte_is_noticed_or_harmless() {
    let (index, chunks) = written();
    let good = read(index.clone(), chunks.clone()).unwrap();
    let same = |found: Result<Vec<(Labels, Vec<Samples>)>, Error>| {
        // NaN is not equal to itself.
        found.is_err() || format!("{:?}", found.unwrap()) == format!("{good:?}")
    };
    for at in (0..index.len()).step_by(97) {
        let mut changed = index.clone();
        changed[at] ^= 0x10;
        assert!(same(read(changed, chunks.clone())), "byte {at} of the index");
    }
    for at in (0..chunks[0].len()).step_by(997) {
        let mut changed = chunks.clone();
        changed[0][at] ^= 0x10;
        assert!(same(read(index.clone(), changed)), "byte {at} of the chunks");
    }
    for length in (0..index.len()).step_by(1009) {
        assert!(read(index[..length].to_vec(), chunks.clone()).is_err());
    }
    assert!(read(index.clone(), vec![chunks[0][..chunks[0].len() / 2].to_vec()]).is_err());
    let error = read(index, Vec::new()).unwrap_err().to_string();
    assert_eq!(
        error,
        "chunks/000001 at byte 8: the index refers to a file that is not there"
    );
}

#[test]
fn what_is_no_block_is_told() {
    let (index, chunks) = written();
    let mut newer = index.clone();
    newer[4] = 1;
    assert_eq!(
        Index::open(newer).unwrap_err().to_string(),
        "index: version 1 is not supported, 2 is"
    );
    assert!(
        Index::open(vec![0; 100])
            .unwrap_err()
            .to_string()
            .contains("is no index")
    );
    let mut other = chunks.clone();
    other[0][0] = 0;
    assert!(read(index, other).unwrap_err().to_string().contains("is no chunk file"));
    let twice = |name: &str| BlockSeries {
        labels: Labels::from_pairs([("__name__", name)]),
        chunks: Vec::new(),
    };
    assert!(write_index(Vec::new(), &[twice("b"), twice("a")]).is_err());
}
