//! Recordings: everything that a scheduler was told, one JSON line each, and what it wanted done.
//!
//! The first line says how the scheduler was built. Then come its calls in their order: an
//! `observe` with its event, an `advance` with a hash of the effects that it gave back. Nothing
//! else reaches the core, so the same calls give the same effects again.

use std::io::{self, BufRead};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use super::{Credit, Effect, Event, Scheduler};
use crate::config::{self, ConfigError, EffectiveConfiguration, SchedulerConfiguration};
use crate::framework::Registry;
use crate::model::Instant;

/// The name and version of the format.
pub const SCHEMA: &str = "quorate.dev/recording/v1";

/// The first line: how to build the scheduler.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    pub schema: String,
    /// The version of Quorate that recorded.
    pub version: String,
    pub seed: u64,
    /// The configuration file as it was read; none where there was no file.
    pub config: Option<String>,
}

/// Any other line: one call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Call<E = Event> {
    Observe {
        at: Instant,
        event: E,
    },
    Advance {
        now: Instant,
        credit: Credit,
        /// The hash of what came out, see [`effects_hash`].
        effects: String,
    },
}

/// Reads a recording line by line.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    line: u64,
    cut_short: bool,
}

/// What came of running a recording again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Replay {
    pub events: u64,
    pub advances: u64,
    pub effects: u64,
    /// The recorder was killed while it wrote: the last line is incomplete and was left out.
    pub cut_short: bool,
    /// The first `advance` that gave back something else.
    pub divergence: Option<Divergence>,
    pub decisions_hash: String,
}

/// An `advance` whose effects differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Divergence {
    /// Which `advance`, counted from 0.
    pub index: u64,
    /// The hash of the effects then.
    pub recorded: String,
    /// The hash of the effects now.
    pub replayed: String,
}

#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    #[error("reading line {line}")]
    Read { line: u64, source: io::Error },
    #[error("line {line} is not part of a recording")]
    Line { line: u64, source: serde_json::Error },
    #[error("schema: {found:?} is not supported, expected {SCHEMA:?}")]
    Schema { found: String },
    #[error("the recording has no header")]
    Empty,
}

impl Header {
    pub fn new(version: &str, seed: u64, config: Option<String>) -> Self {
        Self { schema: SCHEMA.to_owned(), version: version.to_owned(), seed, config }
    }

    /// What the configuration file means, or the default one.
    pub fn configuration(
        &self,
        registry: &Registry,
    ) -> Result<EffectiveConfiguration, ConfigError> {
        match &self.config {
            Some(text) => config::load(text, &registry.catalog()),
            None => config::resolve(&SchedulerConfiguration::default(), &registry.catalog()),
        }
    }
}

impl<R: BufRead> Reader<R> {
    /// Reads the header.
    pub fn open(input: R) -> Result<(Header, Self), RecordingError> {
        let mut reader = Self { input, line: 0, cut_short: false };
        let header: Header = reader.next_line()?.ok_or(RecordingError::Empty)?;
        if header.schema != SCHEMA {
            let found = header.schema;
            return Err(RecordingError::Schema { found });
        }
        Ok((header, reader))
    }

    /// The next call, or none at the end. A last line without its end is not a call: whoever wrote
    /// it was killed before it took effect.
    pub fn next_call(&mut self) -> Result<Option<Call>, RecordingError> {
        self.next_line()
    }

    fn next_line<T: for<'de> Deserialize<'de>>(&mut self) -> Result<Option<T>, RecordingError> {
        let mut bytes = Vec::new();
        self.line += 1;
        let line = self.line;
        self.input
            .read_until(b'\n', &mut bytes)
            .map_err(|source| RecordingError::Read { line, source })?;
        if bytes.last() != Some(&b'\n') {
            self.cut_short |= !bytes.is_empty();
            return Ok(None);
        }
        serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|source| RecordingError::Line { line, source })
    }
}

/// Repeats all calls and compares what comes out.
pub fn replay<R: BufRead>(
    mut reader: Reader<R>,
    scheduler: &mut Scheduler,
) -> Result<Replay, RecordingError> {
    let mut replay = Replay::default();
    let mut effects = Vec::new();
    while let Some(call) = reader.next_call()? {
        match call {
            Call::Observe { at, event } => {
                scheduler.observe(at, event);
                replay.events += 1;
            }
            Call::Advance { now, credit, effects: recorded } => {
                scheduler.advance(now, credit, &mut effects);
                replay.note_advance(&effects, recorded);
                effects.clear();
            }
        }
    }
    replay.cut_short = reader.cut_short;
    replay.decisions_hash = scheduler.decisions_hash();
    Ok(replay)
}

/// A hash of effects in their order, ids and deadlines included.
pub fn effects_hash(effects: &[Effect]) -> Result<String, serde_json::Error> {
    let mut hash = Xxh3::new();
    for effect in effects {
        hash.update(&serde_json::to_vec(effect)?);
        hash.update(b"\n");
    }
    Ok(format!("{:016x}", hash.digest()))
}

impl Replay {
    fn note_advance(&mut self, effects: &[Effect], recorded: String) {
        let index = self.advances;
        self.advances += 1;
        self.effects += effects.len() as u64;
        let replayed = effects_hash(effects).unwrap_or_default();
        if self.divergence.is_none() && recorded != replayed {
            self.divergence = Some(Divergence { index, recorded, replayed });
        }
    }
}
