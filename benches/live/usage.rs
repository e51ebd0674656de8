//! What a process has used so far, as the kernel tells in /proc.

use std::fs;

/// The kernel counts the time of processes in hundredths of a second, whatever its own clock.
const TICKS_PER_SECOND: f64 = 100.0;
/// Where the state stands behind the name: utime and stime follow 11 fields after it.
const USER_TICKS: usize = 11;
const SYSTEM_TICKS: usize = 12;

#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// User and system time of all threads.
    pub cpu_seconds: f64,
    /// The largest resident set.
    pub peak_mib: f64,
}

impl Usage {
    pub fn of(process: u32) -> Self {
        let read = |file: &str| {
            let path = format!("/proc/{process}/{file}");
            fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
        };
        Self { cpu_seconds: cpu_seconds(&read("stat")), peak_mib: peak_mib(&read("status")) }
    }
}

/// The name of the program stands in parentheses and may itself hold spaces.
fn cpu_seconds(stat: &str) -> f64 {
    let (_, fields) = stat.rsplit_once(") ").expect("a name in parentheses");
    let fields: Vec<&str> = fields.split(' ').collect();
    let ticks = |field: usize| fields[field].parse::<f64>().expect("a number of ticks");
    (ticks(USER_TICKS) + ticks(SYSTEM_TICKS)) / TICKS_PER_SECOND
}

fn peak_mib(status: &str) -> f64 {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")).expect("a peak in kB");
    kib.parse::<f64>().expect("a number of kB") / 1024.0
}
