//! The audit log of kube-apiserver: what it shall hold, and how tests read it.

use std::fs;
use std::path::Path;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

/// Everything is logged but what only our own test code and kube-apiserver itself ask for.
pub const POLICY: &str = r#"{
  "apiVersion": "audit.k8s.io/v1",
  "kind": "Policy",
  "omitStages": ["RequestReceived"],
  "omitManagedFields": true,
  "rules": [
    {"level": "None", "users": ["system:apiserver", "system:anonymous"]},
    {"level": "None", "users": ["admin", "controllers"], "verbs": ["get", "list", "watch"]},
    {"level": "RequestResponse", "resources": [
      {"group": "", "resources": ["pods/binding", "pods/status", "events"]},
      {"group": "events.k8s.io", "resources": ["events"]}
    ]},
    {"level": "Request", "verbs": ["patch"], "resources": [
      {"group": "", "resources": ["persistentvolumeclaims", "persistentvolumes"]}
    ]},
    {"level": "Metadata"}
  ]
}"#;

/// One request as kube-apiserver saw it.
#[derive(Clone, Debug)]
pub struct AuditEntry {
    pub verb: String,
    /// The API group, empty for the core group.
    pub group: String,
    pub resource: String,
    /// `binding`, `status`, ... or empty.
    pub subresource: String,
    pub namespace: String,
    pub name: String,
    pub user: String,
    pub user_agent: String,
    pub uri: String,
    /// The HTTP status, 0 while there is none (a watch that has just started has 200).
    pub code: u16,
    /// `ResponseComplete`, and for watches also `ResponseStarted`.
    pub stage: String,
    /// When kube-apiserver received the request.
    pub received: Timestamp,
    /// When kube-apiserver reached `stage`.
    pub reached: Timestamp,
    /// The bodies, for pods/binding, pods/status and events only; that of the request also for
    /// patches of claims and volumes.
    pub request: Option<Value>,
    pub response: Option<Value>,
}

impl AuditEntry {
    /// Tells whether this is a POST of a Binding, successful or not.
    pub fn is_binding(&self) -> bool {
        self.verb == "create" && self.resource == "pods" && self.subresource == "binding"
    }
}

/// Reads the entries that stand after the first `skip` bytes of the log.
pub fn read(log: &Path, skip: usize) -> Vec<AuditEntry> {
    let bytes = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(bytes.get(skip..).unwrap_or_default());
    // The last piece is empty, or a line that is still being written, or was cut by a kill.
    let complete = text.rsplit_once('\n').map_or("", |(complete, _)| complete);
    complete.lines().filter_map(parse).collect()
}

/// A kill of kube-apiserver can cut a line in the middle of the file: such a line is no entry.
fn parse(line: &str) -> Option<AuditEntry> {
    let raw: RawEntry = serde_json::from_str(line).ok()?;
    let object = raw.object_ref.unwrap_or_default();
    Some(AuditEntry {
        verb: raw.verb,
        group: object.api_group,
        resource: object.resource,
        subresource: object.subresource,
        namespace: object.namespace,
        name: object.name,
        user: raw.user.username,
        user_agent: raw.user_agent,
        uri: raw.request_uri,
        code: raw.response_status.map_or(0, |status| status.code),
        stage: raw.stage,
        received: raw.request_received_timestamp,
        reached: raw.stage_timestamp,
        request: raw.request_object,
        response: raw.response_object,
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawEntry {
    verb: String,
    stage: String,
    #[serde(rename = "requestURI")]
    request_uri: String,
    user: RawUser,
    #[serde(default)]
    user_agent: String,
    object_ref: Option<RawObject>,
    response_status: Option<RawStatus>,
    request_object: Option<Value>,
    response_object: Option<Value>,
    request_received_timestamp: Timestamp,
    stage_timestamp: Timestamp,
}

#[derive(Deserialize)]
struct RawUser {
    #[serde(default)]
    username: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RawObject {
    api_group: String,
    resource: String,
    subresource: String,
    namespace: String,
    name: String,
}

#[derive(Deserialize)]
struct RawStatus {
    #[serde(default)]
    code: u16,
}

#[cfg(test)]
mod tests {
    use super::super::workspace::Workspace;
    use super::*;

    #[test]
    fn a_line_that_is_still_being_written_is_no_entry() {
        let workspace = Workspace::create();
        let log = workspace.path().join("audit.log");
        let line =
            r#"{"stage":"ResponseComplete","requestURI":"/api/v1/namespaces/a/pods/b/binding",
            "verb":"create","user":{"username":"u"},"responseStatus":{"code":409},
            "objectRef":{"resource":"pods","namespace":"a","name":"b","subresource":"binding"},
            "requestReceivedTimestamp":"2026-11-23T22:00:00.000001Z",
            "stageTimestamp":"2026-11-23T22:00:00.000002Z"}"#
                .replace('\n', "");
        fs::write(&log, format!("skipped\n{line}\n{line}")).unwrap();
        let entries = read(&log, "skipped\n".len());
        assert_eq!(entries.len(), 1);
        assert!(entries[0].is_binding() && entries[0].code == 409);
        assert!(entries[0].received < entries[0].reached);
        assert!(read(Path::new("nowhere"), 0).is_empty());
    }
}
