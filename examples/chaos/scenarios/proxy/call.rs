//! What a request of the daemon asks for.

use serde_json::Value;

use super::message::Message;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    Bind,
    /// A patch of `status.nominatedNodeName`.
    Fence,
    /// Any other patch of a pod's status.
    Condition,
    GetPod,
    Watch,
    Lease,
    Event,
    Other,
}

/// A request, read.
pub(super) struct Asked {
    pub(super) call: Call,
    /// `namespace/name`, empty where it is about no single pod.
    pub(super) pod: String,
    /// The node that it names.
    pub(super) node: String,
}

impl Asked {
    pub(super) fn read(request: &Message) -> Self {
        let mut line = request.first_line().split(' ');
        let (method, uri) = (line.next().unwrap_or_default(), line.next().unwrap_or_default());
        let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let body = || serde_json::from_slice::<Value>(&request.body).unwrap_or_default();
        let pod = |namespace: &str, name: &str| format!("{namespace}/{name}");
        let (call, pod, node) = match (method, &parts[..]) {
            ("POST", ["api", "v1", "namespaces", namespace, "pods", name, "binding"]) => {
                (Call::Bind, pod(namespace, name), text(&body(), "/target/name"))
            }
            ("PATCH", ["api", "v1", "namespaces", namespace, "pods", name, "status"]) => {
                let body = body();
                let is_fence = body.pointer("/status/nominatedNodeName").is_some();
                let call = if is_fence { Call::Fence } else { Call::Condition };
                (call, pod(namespace, name), text(&body, "/status/nominatedNodeName"))
            }
            ("GET", ["api", "v1", "namespaces", namespace, "pods", name]) => {
                (Call::GetPod, pod(namespace, name), String::new())
            }
            ("GET", _) if query.contains("watch=") => (Call::Watch, String::new(), String::new()),
            (_, [.., "leases"] | [.., "leases", _]) => (Call::Lease, String::new(), String::new()),
            (_, [.., "events"] | [.., "events", _]) => (Call::Event, String::new(), String::new()),
            _ => (Call::Other, String::new(), String::new()),
        };
        Self { call, pod, node }
    }
}

fn text(body: &Value, pointer: &str) -> String {
    body.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calls_of_the_daemon_are_told_apart() {
        let check = |line: &str, body: &str, expected: (Call, &str, &str)| {
            let head = format!("{line} HTTP/1.1\r\nhost: x\r\n\r\n");
            let request = Message { head, body: body.as_bytes().to_vec() };
            let asked = Asked::read(&request);
            assert_eq!((asked.call, &*asked.pod, &*asked.node), expected, "{line}");
        };
        let pod = "/api/v1/namespaces/db/pods/a";
        let target = r#"{"target":{"name":"n1"}}"#;
        check(&format!("POST {pod}/binding"), target, (Call::Bind, "db/a", "n1"));
        let fence = r#"{"status":{"nominatedNodeName":"n1"}}"#;
        check(&format!("PATCH {pod}/status?x=y"), fence, (Call::Fence, "db/a", "n1"));
        let condition = r#"{"status":{"conditions":[]}}"#;
        check(&format!("PATCH {pod}/status"), condition, (Call::Condition, "db/a", ""));
        check(&format!("GET {pod}"), "", (Call::GetPod, "db/a", ""));
        check("GET /api/v1/pods?&watch=true", "", (Call::Watch, "", ""));
        check("GET /api/v1/pods?limit=1", "", (Call::Other, "", ""));
        let lease = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/quorate";
        check(&format!("PUT {lease}"), "{}", (Call::Lease, "", ""));
        check("POST /apis/events.k8s.io/v1/namespaces/db/events", "{}", (Call::Event, "", ""));
    }
}
