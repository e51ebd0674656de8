//! The shipped roles are enough and not too much; and what happens when a permission is missing.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use k8s_openapi::api::authorization::v1::SubjectAccessReview;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use serde::Serialize;
use serde_json::{Value, json};

use super::daemon::Daemon;
use super::stage::{ACCOUNT, NAMESPACE, ROLES, Stage};
use crate::control_plane::{AuditEntry, ControlPlane, QUORATE, Signal, pod, wait_for};

const SOON: Duration = Duration::from_secs(60);
/// How long a missing permission is given to show.
const SHOWN_MAX: Duration = Duration::from_secs(15);
/// How long a permission that is back is given to work: the longest back-off of a watch, and some.
const RECOVERED_MAX: Duration = Duration::from_secs(60);

#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Checks the shipped roles alone, and takes nothing away.
    #[arg(long)]
    pub quick: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Requests that the shipped roles do not allow.
    pub forbidden: usize,
    /// Permissions that nothing asked for.
    pub unused: Vec<Permission>,
    pub denied: Vec<Denied>,
    pub broken: Vec<String>,
}

/// One verb of one rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Permission {
    pub group: String,
    pub resource: String,
    pub verb: String,
    /// The namespace of the role; none for the whole cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// What happened while a permission was missing.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Denied {
    #[serde(flatten)]
    pub permission: Permission,
    /// How often the API server said no.
    pub refusals: usize,
    /// Where that could be seen: `ready`, `metric`, `log`.
    pub shown: BTreeSet<&'static str>,
    pub crashed: bool,
    /// How long after the permission was back everything worked again.
    pub recovered_seconds: f64,
}

pub fn run(args: &Args) -> Report {
    let stage = Stage::set(2);
    let roles = roles();
    let (forbidden, unused) = with_the_shipped_roles(&stage, &roles);
    let mut broken = Vec::new();
    if forbidden > 0 {
        broken.push(format!("{forbidden} requests are not allowed by the shipped roles"));
    }
    broken.extend(unused.iter().map(|permission| format!("nothing uses {permission:?}")));
    let mut denied = Vec::new();
    if !args.quick {
        for (number, permission) in allowed(&roles).into_iter().enumerate() {
            eprintln!("without {} {}", permission.verb, permission.resource);
            denied.push(without(&stage, &roles, permission, number, &mut broken));
        }
    }
    Report { forbidden, unused, denied, broken }
}

fn roles() -> Vec<Value> {
    serde_saphyr::from_multiple(ROLES).unwrap()
}

/// Everything that the roles allow.
fn allowed(roles: &[Value]) -> BTreeSet<Permission> {
    let list = |value: &Value| -> Vec<String> {
        value.as_array().unwrap().iter().map(|v| v.as_str().unwrap().to_owned()).collect()
    };
    let mut allowed = BTreeSet::new();
    for role in roles.iter().filter(|role| role["rules"].is_array()) {
        let namespace = role["metadata"]["namespace"].as_str().map(str::to_owned);
        for rule in role["rules"].as_array().unwrap() {
            for group in list(&rule["apiGroups"]) {
                for resource in list(&rule["resources"]) {
                    for verb in list(&rule["verbs"]) {
                        let (group, resource) = (group.clone(), resource.clone());
                        let namespace = namespace.clone();
                        allowed.insert(Permission { group, resource, verb, namespace });
                    }
                }
            }
        }
    }
    allowed
}

/// Runs everything that needs a permission. Returns how often one was missing, and which were not
/// needed.
fn with_the_shipped_roles(stage: &Stage, roles: &[Value]) -> (usize, Vec<Permission>) {
    let mut daemon = Daemon::start(&stage.plane, &stage.plane.kubeconfig(QUORATE), &[]);
    daemon.wait_until_it_leads();
    daemon.wait_until_ready();
    let allowed = allowed(roles);
    let all: BTreeSet<(&str, &str)> = allowed
        .iter()
        .filter(|permission| permission.verb != "list")
        .map(|permission| (&*permission.resource, &*permission.verb))
        .collect();
    let start = Instant::now();
    let mut round = 0;
    loop {
        provoke(stage, "all", round);
        round += 1;
        let asked = asked(&stage.plane);
        let missing = all.iter().any(|(resource, verb)| {
            !asked.iter().any(|(_, name, used)| name == resource && used == verb)
        });
        if !missing || start.elapsed() > SOON {
            break;
        }
    }
    daemon.process.end(Signal::Term);
    stage.cluster.delete::<Pod>(NAMESPACE, "huge-all");
    let asked = asked(&stage.plane);
    let is_unused = |permission: &Permission| {
        // API servers that have no streaming lists are asked for ordinary ones.
        let verb = if permission.verb == "list" { "watch" } else { &permission.verb };
        let used = (permission.group.clone(), permission.resource.clone(), verb.to_owned());
        !asked.contains(&used)
    };
    let unused = allowed.into_iter().filter(is_unused).collect();
    (refused(&stage.plane).len(), unused)
}

/// Gives the scheduler a reason for each of its calls: a pod that fits, one that does not, one that
/// comes again, and one that changes while it is being bound.
fn provoke(stage: &Stage, name: &str, round: u32) {
    let cluster = &stage.cluster;
    let create = |name: &str, cpu: &str| {
        let pod = pod(NAMESPACE, name).request("cpu", cpu).scheduler("quorate").build();
        _ = cluster.try_create(&pod);
    };
    create(&format!("fits-{name}"), "1m");
    create(&format!("huge-{name}"), "5");
    let (again, changing) = (format!("again-{name}"), format!("changing-{name}-{round}"));
    create(&again, "1m");
    create(&changing, "1m");
    let label = json!({"metadata": {"labels": {"changed": "yes"}}});
    cluster.patch::<Pod>(NAMESPACE, &changing, &label);
    cluster.delete::<Pod>(NAMESPACE, &changing);
    std::thread::sleep(Duration::from_millis(100));
    cluster.delete::<Pod>(NAMESPACE, &again);
}

/// What the daemon has asked for so far, as (group, resource, verb).
fn asked(plane: &ControlPlane) -> BTreeSet<(String, String, String)> {
    let entries = plane.audit().into_iter().filter(|entry| entry.user == ACCOUNT);
    let entries = entries.filter(|entry| !entry.resource.is_empty());
    entries.map(|entry| (entry.group.clone(), resource(&entry), entry.verb)).collect()
}

fn resource(entry: &AuditEntry) -> String {
    match &*entry.subresource {
        "" => entry.resource.clone(),
        subresource => format!("{}/{subresource}", entry.resource),
    }
}

/// The requests of the daemon that were forbidden.
fn refused(plane: &ControlPlane) -> Vec<AuditEntry> {
    let mut entries = plane.audit();
    entries.retain(|entry| entry.user == ACCOUNT && matches!(entry.code, 401 | 403));
    entries
}

/// Starts a daemon that lacks a permission, looks at what it does, and gives it the permission.
fn without(
    stage: &Stage,
    roles: &[Value],
    permission: Permission,
    number: usize,
    broken: &mut Vec<String>,
) -> Denied {
    stage.cluster.delete::<Lease>("kube-system", "quorate");
    apply(stage, roles, Some(&permission));
    wait_until_allowed(stage, &permission, false);
    let before = refused(&stage.plane).len();
    let mut daemon = Daemon::start(&stage.plane, &stage.plane.kubeconfig(QUORATE), &[]);
    let name = number.to_string();
    let refusals = || refused(&stage.plane).len() - before;
    let mut shown = BTreeSet::new();
    let (start, mut round) = (Instant::now(), 0);
    while start.elapsed() < SHOWN_MAX && (shown.is_empty() || refusals() == 0) {
        provoke(stage, &name, round);
        round += 1;
        shown.extend(signs(&daemon));
        // Nobody lists where streaming lists are to be had.
        if permission.verb == "list" && is_working(stage, &daemon, &name) {
            break;
        }
    }
    let refusals = refusals();
    let crashed = daemon.process.exit_status().is_some();
    apply(stage, roles, None);
    wait_until_allowed(stage, &permission, true);
    let start = Instant::now();
    while !is_working(stage, &daemon, &name) && start.elapsed() < RECOVERED_MAX {
        std::thread::sleep(Duration::from_millis(100));
    }
    let recovered_seconds = start.elapsed().as_secs_f64();
    let what = format!("{} {}", permission.verb, permission.resource);
    if crashed || daemon.process.exit_status().is_some() {
        broken.push(format!("it ended without {what}"));
    } else if !is_working(stage, &daemon, &name) {
        broken.push(format!("it did not recover when {what} was back"));
    }
    if permission.verb != "list" && refusals == 0 {
        broken.push(format!("{what} was never refused"));
    }
    if refusals > 0 && shown.is_empty() {
        broken.push(format!("that {what} is missing can be seen nowhere"));
    }
    daemon.process.end(Signal::Term);
    for pod in stage.cluster.list::<Pod>(NAMESPACE) {
        stage.cluster.delete::<Pod>(NAMESPACE, &pod.metadata.name.unwrap());
    }
    Denied { permission, refusals, shown, crashed, recovered_seconds }
}

/// Where it can be seen that something is missing.
fn signs(daemon: &Daemon) -> BTreeSet<&'static str> {
    let mut signs = BTreeSet::new();
    let forbidden = |name: &str| daemon.metric(name, "outcome=\"forbidden\"") > 0.5;
    if forbidden("quorate_calls_total") || forbidden("quorate_reports_total") {
        signs.insert("metric");
    }
    if daemon.process.lines().iter().any(|l| l.contains("WARN") || l.contains("ERROR")) {
        signs.insert("log");
    }
    // While it starts it is not ready in any case.
    let settled = daemon.process.lines().iter().any(|line| line.contains("failed"));
    if settled && daemon.readiness().is_some_and(|(code, _)| code != 200) {
        signs.insert("ready");
    }
    signs
}

/// It is ready, and has bound the pod that fits.
fn is_working(stage: &Stage, daemon: &Daemon, name: &str) -> bool {
    let pod = stage.cluster.get::<Pod>(NAMESPACE, &format!("fits-{name}"));
    let bound = pod.is_some_and(|pod| pod.spec.is_some_and(|spec| spec.node_name.is_some()));
    bound && daemon.is_ready()
}

/// Applies the roles, without one permission.
fn apply(stage: &Stage, roles: &[Value], missing: Option<&Permission>) {
    for role in roles {
        let mut role = role.clone();
        let namespace = role["metadata"]["namespace"].as_str().map(str::to_owned);
        if let Some(missing) = missing.filter(|missing| missing.namespace == namespace)
            && let Some(rules) = role["rules"].as_array()
        {
            let rules: Vec<Value> = rules.iter().flat_map(|rule| cut(rule, missing)).collect();
            role["rules"] = json!(rules);
        }
        stage.cluster.apply(&role.to_string());
    }
}

/// A rule without a permission: as it was for the other resources, and with the verbs that are left
/// for this one.
fn cut(rule: &Value, missing: &Permission) -> Vec<Value> {
    let without = |list: &Value, name: &str| -> Vec<Value> {
        list.as_array().unwrap().iter().filter(|value| *value != name).cloned().collect()
    };
    let holds = |list: &Value, name: &str| list.as_array().unwrap().contains(&json!(name));
    if !holds(&rule["apiGroups"], &missing.group)
        || !holds(&rule["resources"], &missing.resource)
        || !holds(&rule["verbs"], &missing.verb)
    {
        return vec![rule.clone()];
    }
    let (mut others, mut same) = (rule.clone(), rule.clone());
    others["resources"] = json!(without(&rule["resources"], &missing.resource));
    same["resources"] = json!([missing.resource]);
    same["verbs"] = json!(without(&rule["verbs"], &missing.verb));
    let is_left = |rule: &Value| {
        ["resources", "verbs"].iter().all(|list| !rule[*list].as_array().unwrap().is_empty())
    };
    [others, same].into_iter().filter(is_left).collect()
}

/// Roles reach the authorizer by a watch, a moment after they were written.
fn wait_until_allowed(stage: &Stage, permission: &Permission, allowed: bool) {
    let (resource, subresource) =
        permission.resource.split_once('/').unwrap_or((&permission.resource, ""));
    let review: SubjectAccessReview = serde_json::from_value(json!({
        "metadata": {},
        "spec": {"user": ACCOUNT, "resourceAttributes": {
            "group": permission.group, "resource": resource, "subresource": subresource,
            "verb": permission.verb, "namespace": permission.namespace.as_deref().unwrap_or(""),
            // The name of the lease; other rules name nobody.
            "name": if permission.verb == "create" { "" } else { "quorate" },
        }},
    }))
    .unwrap();
    wait_for("the authorizer", SOON, || {
        let answer = stage.cluster.create(&review).status.unwrap();
        (answer.allowed == allowed).then_some(())
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permission_is_cut_out_of_its_rule_alone() {
        let rule = json!({"apiGroups": [""], "resources": ["a", "b"], "verbs": ["list", "watch"]});
        let check = |resource: &str, verb: &str, expected: Value| {
            let missing = Permission {
                group: String::new(),
                resource: resource.into(),
                verb: verb.into(),
                namespace: None,
            };
            assert_eq!(json!(cut(&rule, &missing)), expected);
        };
        check("c", "list", json!([rule]));
        check("a", "get", json!([rule]));
        check(
            "a",
            "list",
            json!([
                {"apiGroups": [""], "resources": ["b"], "verbs": ["list", "watch"]},
                {"apiGroups": [""], "resources": ["a"], "verbs": ["watch"]},
            ]),
        );
    }
}
