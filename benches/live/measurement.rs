//! One measurement: an emptied API server, waiting pods, one rival.

use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

use crate::control_plane::{ADMIN, ControlPlane};
use crate::load::Load;
use crate::observer::Observer;
use crate::rival::Rival;
use crate::usage::Usage;

/// Before the start the API server gets so long to finish what the creation of pods left it to do.
const SETTLE: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug)]
pub struct Measurement {
    /// Binds from the first one seen to the last one seen, over the time between them.
    pub pods_per_second: f64,
    /// The same until the last event is written, too.
    pub with_events_per_second: f64,
    /// From the start of the process to the first bind: connecting, listing, building the picture.
    pub first_bind_seconds: f64,
    /// How many events the rival wrote.
    pub events: u32,
    /// From the start of the process until the last event is written.
    pub cpu_seconds: f64,
    pub peak_mib: f64,
}

/// Lets a rival bind a load that is there before its process starts.
pub fn measure(
    plane: &mut ControlPlane,
    load: &Load,
    rival: Rival,
    connections: u32,
) -> Measurement {
    plane.reset();
    plane.compact();
    let cluster = plane.cluster();
    rival.prepare(plane);
    load.create(&cluster, rival.scheduler_name());
    let observer = Observer::start(&plane.kubeconfig(ADMIN));
    thread::sleep(SETTLE);

    let started = Instant::now();
    let mut process = rival.start(plane, load, connections);
    let binds = observer.binds(load.pods, &mut process);
    let events = observer.events(load.pods);
    let usage = Usage::of(process.id());
    drop(process);
    if rival != Rival::Ceiling {
        load.check(&cluster);
    }
    // The first pod starts the clock, so it is not counted.
    let counted = f64::from(load.pods - 1);
    let per_second = |last: Instant| counted / (last - binds.first).as_secs_f64();
    Measurement {
        pods_per_second: per_second(binds.last),
        with_events_per_second: per_second(binds.last.max(events.last)),
        first_bind_seconds: (binds.first - started).as_secs_f64(),
        events: events.count,
        cpu_seconds: usage.cpu_seconds,
        peak_mib: usage.peak_mib,
    }
}

impl fmt::Display for Measurement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.0} pods/s ({:.0} with events, {} of them), first bind after {:.2} s, \
             {:.2} CPU s, {:.1} MiB",
            self.pods_per_second,
            self.with_events_per_second,
            self.events,
            self.first_bind_seconds,
            self.cpu_seconds,
            self.peak_mib
        )
    }
}
