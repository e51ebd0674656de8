//! The folder and the ports of one control plane, kept apart from those of all others.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};
use std::{process, thread};

use super::programs::target;

/// Ports lie below the range from which kernels take the ports of outgoing connections (Linux
/// from 32768, others higher). A client that keeps dialling a stopped server in that range can
/// end up connected to itself, and the server could not come back.
const FIRST_PORT: u32 = 20_000;
const PORTS_PER_BLOCK: u32 = 4;
/// A prime, so that processes with neighbouring ids start far from each other.
const BLOCKS: u32 = 3001;

/// The loopback ports of one control plane.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    pub etcd: u16,
    pub etcd_peer: u16,
    pub apiserver: u16,
}

impl Ports {
    /// Picks ports that nobody listens on.
    pub fn pick() -> Self {
        static PICKED: AtomicU32 = AtomicU32::new(0);
        let first = process::id().wrapping_mul(37);
        for _ in 0..BLOCKS {
            let block = first.wrapping_add(PICKED.fetch_add(1, Ordering::Relaxed)) % BLOCKS;
            let port = |i| u16::try_from(FIRST_PORT + block * PORTS_PER_BLOCK + i).unwrap();
            let ports = Self { etcd: port(0), etcd_peer: port(1), apiserver: port(2) };
            let all = [ports.etcd, ports.etcd_peer, ports.apiserver];
            if all.iter().all(|&port| TcpListener::bind(("127.0.0.1", port)).is_ok()) {
                return ports;
            }
        }
        panic!("no free ports between {FIRST_PORT} and 32000");
    }
}

/// A folder below `target/control-plane/run`, removed when dropped unless the test panics.
#[derive(Debug)]
pub struct Workspace {
    path: PathBuf,
    logs: AtomicU32,
    /// Locked as long as we live: folders whose lock is free were left behind.
    _lock: File,
}

impl Workspace {
    /// Creates a folder. The first call of a process removes those that dead processes left.
    pub fn create() -> Self {
        static CREATED: AtomicU32 = AtomicU32::new(0);
        static SWEEP: Once = Once::new();
        let run = target().join("control-plane/run");
        fs::create_dir_all(&run).unwrap();
        // Nobody may sweep a folder that exists but is not locked yet.
        let door = File::create(target().join("control-plane/run.lock")).unwrap();
        door.lock().unwrap();
        SWEEP.call_once(|| sweep(&run));
        let number = CREATED.fetch_add(1, Ordering::Relaxed);
        let path = run.join(format!("{}-{number}", process::id()));
        fs::create_dir(&path).unwrap();
        let lock = File::create(path.join("lock")).unwrap();
        lock.lock().unwrap();
        Self { path, logs: AtomicU32::new(0), _lock: lock }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the path of a log file that no other process of this control plane has.
    pub fn new_log(&self, name: &str) -> PathBuf {
        let number = self.logs.fetch_add(1, Ordering::Relaxed);
        self.path.join(format!("{name}-{number}.log"))
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the files of the control plane stay in {}", self.path.display());
        } else {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

fn sweep(run: &Path) {
    for entry in fs::read_dir(run).unwrap() {
        let path = entry.unwrap().path();
        let abandoned = match File::open(path.join("lock")) {
            Ok(lock) => lock.try_lock().is_ok(),
            Err(_) => true,
        };
        if abandoned {
            // A process that is just being killed may still write; the next sweep gets the rest.
            let _ = fs::remove_dir_all(&path);
        }
    }
}
