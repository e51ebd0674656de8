//! A real etcd: its start, its compaction, and a way back to an earlier set of keys.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::process::{Process, Signal};
use super::programs::Programs;
use super::{Ports, wait_for};

/// `/registry/` and the first key behind everything under it. etcd's JSON speaks base64.
const REGISTRY: &str = "L3JlZ2lzdHJ5Lw==";
const REGISTRY_END: &str = "L3JlZ2lzdHJ5MA==";

/// etcd refuses transactions with more operations (its default for `--max-txn-ops`).
const TXN_OPERATIONS_MAX: usize = 128;

#[derive(Debug)]
pub struct Etcd {
    process: Process,
    port: u16,
    starts: u32,
}

impl Etcd {
    /// Starts etcd on an empty folder and waits until it serves.
    pub fn start(directory: &Path, ports: Ports) -> Self {
        let mut etcd = Self { process: run(directory, ports, 0), port: ports.etcd, starts: 1 };
        etcd.wait_until_it_serves();
        etcd
    }

    pub fn kill(&mut self) {
        self.process.end(Signal::Kill);
    }

    /// Starts etcd again after its process has ended.
    pub fn start_again(&mut self, directory: &Path, ports: Ports) {
        assert!(self.process.exit_status().is_some(), "etcd still runs");
        self.process = run(directory, ports, self.starts);
        self.starts += 1;
        self.wait_until_it_serves();
    }

    fn wait_until_it_serves(&mut self) {
        wait_for("etcd to serve", Duration::from_secs(30), || {
            let ended = self.process.exit_status();
            assert!(ended.is_none(), "etcd ended: {ended:?}");
            self.call("range", &json!({"key": REGISTRY})).ok()
        });
    }

    /// Returns the revision of the newest write, which is kube-apiserver's resourceVersion.
    pub fn revision(&self) -> i64 {
        let range = self.call("range", &json!({"key": REGISTRY})).unwrap();
        number(&range["header"]["revision"])
    }

    /// Forgets all history before `revision`, and waits until that is done.
    pub fn compact(&self, revision: i64) {
        let request = json!({"revision": revision.to_string(), "physical": true});
        self.call("compaction", &request).unwrap();
    }

    /// Reads the number of keys as of an earlier revision; fails if that has been compacted.
    pub fn count_at(&self, revision: i64) -> Result<i64, String> {
        let request = json!({
            "key": REGISTRY, "range_end": REGISTRY_END,
            "revision": revision.to_string(), "count_only": true,
        });
        self.call("range", &request).map(|range| number(&range["count"]))
    }

    /// Returns all keys of kube-apiserver.
    pub fn keys(&self) -> BTreeSet<String> {
        let all = json!({"key": REGISTRY, "range_end": REGISTRY_END, "keys_only": true});
        let range = self.call("range", &all).unwrap();
        let keys = range["kvs"].as_array().into_iter().flatten();
        keys.map(|kv| kv["key"].as_str().unwrap().to_owned()).collect()
    }

    /// Deletes all keys but `kept`. kube-apiserver notices as it notices an expired event.
    pub fn delete_all_but(&self, kept: &BTreeSet<String>) {
        let delete = |key: &String| json!({"request_delete_range": {"key": key}});
        let deletes: Vec<Value> = self.keys().difference(kept).map(delete).collect();
        for some in deletes.chunks(TXN_OPERATIONS_MAX) {
            self.call("txn", &json!({"success": some})).unwrap();
        }
    }

    /// Calls etcd's key-value service through its JSON gateway. HTTP/1.0 keeps the answer free
    /// of chunks, so that it can be read without an HTTP client.
    fn call(&self, method: &str, request: &Value) -> Result<Value, String> {
        let body = request.to_string();
        let head =
            format!("POST /v3/kv/{method} HTTP/1.0\r\nContent-Length: {}\r\n\r\n", body.len());
        let exchange = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
            stream.set_read_timeout(Some(Duration::from_secs(30)))?;
            stream.write_all(format!("{head}{body}").as_bytes())?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        let answer = exchange().map_err(|e| e.to_string())?;
        let (status, body) = answer.split_once("\r\n\r\n").ok_or("etcd sent no answer")?;
        if !status.lines().next().is_some_and(|line| line.contains(" 200 ")) {
            return Err(body.trim().to_owned());
        }
        serde_json::from_str(body).map_err(|e| format!("{e}: {body}"))
    }
}

fn run(directory: &Path, ports: Ports, starts: u32) -> Process {
    let url = |port: u16| format!("http://127.0.0.1:{port}");
    let (client, peer) = (url(ports.etcd), url(ports.etcd_peer));
    let mut command = Programs::get().command("etcd");
    command.arg(format!("--data-dir={}", directory.join("etcd").display()));
    command.arg(format!("--listen-client-urls={client}"));
    command.arg(format!("--advertise-client-urls={client}"));
    command.arg(format!("--listen-peer-urls={peer}"));
    command.arg(format!("--initial-advertise-peer-urls={peer}"));
    command.arg(format!("--initial-cluster=default={peer}"));
    // The kernel outlives every kill -9, so without fsync only a power cut would lose data.
    command.args(["--unsafe-no-fsync=true", "--log-level=warn"]);
    Process::start("etcd", command, directory.join(format!("etcd-{starts}.log")))
}

/// The gateway writes 64-bit numbers as strings, and leaves zeros out.
fn number(value: &Value) -> i64 {
    value.as_str().map_or(0, |text| text.parse().unwrap())
}
