//! The body of an answer: counted, decompressed where the module says so, kept where it is matched.

use crate::MAX_BODY_BYTES;
use flate2::write::{DeflateDecoder, GzDecoder};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use parapet_config::modules::{Compression, HttpProbe};
use std::io::Write;

/// What was read.
#[derive(Debug, Default)]
pub(super) struct ReadBody {
    /// Bytes after decompression.
    pub(super) length: u64,
    /// The body itself, where it was asked for.
    pub(super) kept: Vec<u8>,
    /// Why it was not read to its end.
    pub(super) fault: Option<String>,
}

/// Counts what is written to it, keeps it where asked, and refuses more than its limit.
#[derive(Debug)]
struct Sink {
    read: ReadBody,
    keep: bool,
    limit: u64,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let length = self.read.length + bytes.len() as u64;
        if self.limit > 0 && length > self.limit {
            self.read.length = self.limit;
            return Err(std::io::Error::other("http: request body too large"));
        }
        self.read.length = length;
        if self.keep {
            if length > MAX_BODY_BYTES {
                let what = format!("a body of over {MAX_BODY_BYTES} bytes is not matched");
                return Err(std::io::Error::other(what));
            }
            self.read.kept.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

enum Decoder {
    Plain(Sink),
    Gzip(GzDecoder<Sink>),
    Deflate(DeflateDecoder<Sink>),
}

pub(super) async fn read(module: &HttpProbe, mut body: Incoming, keep: bool) -> ReadBody {
    let sink = Sink {
        read: ReadBody::default(),
        keep,
        limit: module.body_size_limit_bytes,
    };
    let mut decoder = match module.compression {
        Some(Compression::Gzip) => Decoder::Gzip(GzDecoder::new(sink)),
        Some(Compression::Deflate) => Decoder::Deflate(DeflateDecoder::new(sink)),
        Some(Compression::Identity) | None => Decoder::Plain(sink),
    };
    let mut fault = None;
    while let Some(frame) = body.frame().await {
        let written = match frame.map(hyper::body::Frame::into_data) {
            Ok(Ok(data)) => match &mut decoder {
                Decoder::Plain(sink) => sink.write_all(&data),
                Decoder::Gzip(gzip) => gzip.write_all(&data),
                Decoder::Deflate(deflate) => deflate.write_all(&data),
            },
            Ok(Err(_)) => Ok(()),
            Err(error) => Err(std::io::Error::other(error)),
        };
        if let Err(error) = written {
            fault = Some(error.to_string());
            break;
        }
    }
    if fault.is_none() {
        let ended = match &mut decoder {
            Decoder::Plain(_) => Ok(()),
            Decoder::Gzip(gzip) => gzip.try_finish(),
            Decoder::Deflate(deflate) => deflate.try_finish(),
        };
        fault = ended.err().map(|error| error.to_string());
    }
    let sink = match &mut decoder {
        Decoder::Plain(sink) => sink,
        Decoder::Gzip(gzip) => gzip.get_mut(),
        Decoder::Deflate(deflate) => deflate.get_mut(),
    };
    let mut read = std::mem::take(&mut sink.read);
    read.fault = fault;
    read
}
