//! Writes the recording: each call of the core, before anything that follows from it is done.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use crate::model::Instant;
use crate::scheduler::recording::{Call, Header, effects_hash};
use crate::scheduler::{Credit, Effect, Event};

/// Writes lines until one cannot be written; scheduling goes on without.
pub(super) struct Recorder {
    /// None once a write has failed.
    out: Option<BufWriter<File>>,
}

impl Recorder {
    /// Starts a new recording in the place of whatever was there.
    pub(super) fn create(path: &Path, header: &Header) -> io::Result<Self> {
        let mut out = BufWriter::new(File::create(path)?);
        write_line(&mut out, header)?;
        out.flush()?;
        Ok(Self { out: Some(out) })
    }

    pub(super) fn observe(&mut self, at: Instant, event: &Event) {
        self.write(|out| write_line(out, &Call::Observe { at, event }));
    }

    /// The lines so far are with the operating system when this returns, so that a kill afterwards
    /// loses none of them.
    pub(super) fn advance(&mut self, now: Instant, credit: Credit, effects: &[Effect]) {
        self.write(|out| {
            let effects = effects_hash(effects)?;
            let call: Call = Call::Advance { now, credit, effects };
            write_line(out, &call)?;
            out.flush()
        });
    }

    /// Writes out what is left.
    pub(super) fn finish(&mut self) {
        self.write(|out| out.flush());
    }

    fn write(&mut self, write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) {
        let Some(out) = &mut self.out else { return };
        if let Err(error) = write(out) {
            tracing::error!(%error, "The recording ends here: it could not be written.");
            self.out = None;
        }
    }
}

fn write_line(out: &mut impl Write, line: &impl serde::Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")
}
