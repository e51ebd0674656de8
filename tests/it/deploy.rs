//! The manifests of `deploy/` on a real API server: admitted under Pod Security `restricted`, and
//! with roles that allow what the daemon does and nothing else.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{Namespace, PersistentVolume, Pod, ServiceAccount};
use serde_json::{Value, json};

use crate::control_plane::{
    Cluster, ControlPlane, Signal, borrow, free_port, get, node, pod, wait_for,
};
use crate::storage::{
    BY_HAND, HOST, STAND_IN, create_claim, create_class, create_volume, from_claim,
};

const SOON: Duration = Duration::from_secs(60);
const NAMESPACE: &str = "quorate-system";
/// Where pods of users are.
const DATABASES: &str = "db";
/// The user as which the API server knows the daemon.
const ACCOUNT: &str = "system:serviceaccount:quorate-system:quorate";

/// What `kubectl apply -k deploy/` would send.
struct Manifests {
    /// The files of the kustomization, in its order.
    resources: Vec<String>,
    deployment: Value,
    /// What is allowed everywhere, and about the lease.
    roles: [Value; 2],
    /// The name of the ConfigMap, and the files that become its keys.
    config_map: (String, Vec<String>),
}

impl Manifests {
    fn read() -> Self {
        let kustomization = yaml(&read("kustomization.yaml")).remove(0);
        let resources: Vec<String> =
            strings(&kustomization["resources"]).iter().map(|name| read(name)).collect();
        let objects: Vec<Value> = resources.iter().flat_map(|text| yaml(text)).collect();
        let of_kind = |kind: &str| {
            let mut found = objects.iter().filter(|object| object["kind"] == kind);
            let object = found.next().unwrap_or_else(|| panic!("no {kind}"));
            assert!(found.next().is_none(), "more than one {kind}");
            object.clone()
        };
        let generator = &kustomization["configMapGenerator"][0];
        let name = generator["name"].as_str().unwrap().to_owned();
        Self {
            deployment: of_kind("Deployment"),
            roles: [of_kind("ClusterRole"), of_kind("Role")],
            config_map: (name, strings(&generator["files"])),
            resources,
        }
    }

    fn apply(&self, cluster: &Cluster) {
        for resource in &self.resources {
            cluster.apply(resource);
        }
    }

    /// The pod that the Deployment's controller would create.
    fn pod(&self, name: &str) -> Value {
        let template = &self.deployment["spec"]["template"];
        let mut metadata = template["metadata"].clone();
        metadata["name"] = json!(name);
        metadata["namespace"] = self.deployment["metadata"]["namespace"].clone();
        json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": metadata,
            "spec": template["spec"],
        })
    }

    fn container(&self) -> &Value {
        let containers = &self.deployment["spec"]["template"]["spec"]["containers"];
        assert_eq!(containers.as_array().unwrap().len(), 1);
        &containers[0]
    }

    fn arguments(&self) -> Vec<String> {
        strings(&self.container()["args"])
    }

    /// What the roles allow, as (group, resource, verb).
    fn allowed(&self) -> BTreeSet<(String, String, String)> {
        let mut allowed = BTreeSet::new();
        let rules = self.roles.iter().flat_map(|role| role["rules"].as_array().unwrap());
        for rule in rules {
            for group in strings(&rule["apiGroups"]) {
                for resource in strings(&rule["resources"]) {
                    for verb in strings(&rule["verbs"]) {
                        let new = allowed.insert((group.clone(), resource.clone(), verb));
                        assert!(new, "allowed twice: {rule}");
                    }
                }
            }
        }
        allowed
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy")
}

fn read(name: &str) -> String {
    fs::read_to_string(folder().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn yaml(text: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(text).unwrap()
}

fn strings(list: &Value) -> Vec<String> {
    let list = list.as_array().unwrap_or_else(|| panic!("no list: {list}"));
    list.iter().map(|entry| entry.as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_deployment_is_admitted_under_the_restricted_standard_and_a_weaker_one_is_not() {
    let plane = borrow();
    let cluster = plane.cluster();
    let manifests = Manifests::read();
    manifests.apply(&cluster);
    let labels = cluster.get::<Namespace>("", NAMESPACE).unwrap().metadata.labels.unwrap();
    assert_eq!(labels["pod-security.kubernetes.io/enforce"], "restricted");

    let create = |pod: Value| cluster.try_create::<Pod>(&serde_json::from_value(pod).unwrap());
    let admitted = create(manifests.pod("admitted")).unwrap().spec.unwrap();
    // Admission has looked the class up.
    assert_eq!(admitted.priority, Some(2_000_000_000));
    let account = admitted.service_account_name.unwrap();
    assert!(cluster.get::<ServiceAccount>(NAMESPACE, &account).is_some());

    let check = |pointer: &str, value: Value, violated: &str| {
        let mut pod = manifests.pod("refused");
        *place(&mut pod, pointer) = value;
        let error = create(pod).expect_err(pointer).to_string();
        assert!(error.contains("violates PodSecurity \"restricted:latest\""), "{error}");
        assert!(error.contains(violated), "{pointer}: {error}");
    };
    let container = "/spec/containers/0/securityContext";
    check(&format!("{container}/capabilities"), Value::Null, "unrestricted capabilities");
    let added = json!({"drop": ["ALL"], "add": ["NET_ADMIN"]});
    check(&format!("{container}/capabilities"), added, "NET_ADMIN");
    check(
        &format!("{container}/allowPrivilegeEscalation"),
        json!(true),
        "allowPrivilegeEscalation != false",
    );
    check("/spec/securityContext/runAsNonRoot", json!(false), "runAsNonRoot");
    check("/spec/securityContext/runAsUser", json!(0), "runAsUser=0");
    check("/spec/securityContext/seccompProfile", Value::Null, "seccompProfile");
    check("/spec/hostNetwork", json!(true), "host namespaces");
    let root = json!({"name": "config", "hostPath": {"path": "/"}});
    check("/spec/volumes/0", root, "hostPath");
}

/// The place that a JSON pointer names; its last part may be new.
fn place<'a>(object: &'a mut Value, pointer: &str) -> &'a mut Value {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = object.pointer_mut(parent).unwrap_or_else(|| panic!("no {pointer}"));
    match parent {
        Value::Array(list) => &mut list[key.parse::<usize>().unwrap()],
        object => &mut object[key],
    }
}

#[test]
fn the_container_is_as_closed_as_it_can_be() {
    let manifests = Manifests::read();
    let (pod, container) = (manifests.pod("quorate"), manifests.container());
    let at = |object: &Value, pointer: &str| object.pointer(pointer).cloned().unwrap_or_default();
    for (pointer, expected) in [
        ("/securityContext/readOnlyRootFilesystem", json!(true)),
        ("/securityContext/allowPrivilegeEscalation", json!(false)),
        ("/securityContext/capabilities", json!({"drop": ["ALL"]})),
        ("/livenessProbe/httpGet/path", json!("/livez")),
        ("/readinessProbe/httpGet/path", json!("/readyz")),
        // Memory that is asked for in full is not taken away when a node runs short of it.
        ("/resources/requests/memory", at(container, "/resources/limits/memory")),
    ] {
        assert_eq!(at(container, pointer), expected, "{pointer}");
    }
    for (pointer, expected) in [
        ("/spec/securityContext/runAsNonRoot", json!(true)),
        ("/spec/securityContext/runAsUser", json!(65532)),
        ("/spec/securityContext/runAsGroup", json!(65532)),
        ("/spec/securityContext/seccompProfile", json!({"type": "RuntimeDefault"})),
        ("/spec/priorityClassName", json!("system-cluster-critical")),
    ] {
        assert_eq!(at(&pod, pointer), expected, "{pointer}");
    }
}

#[test]
fn image_arguments_and_config_map_fit_together() {
    let manifests = Manifests::read();
    let container = manifests.container();
    // The image runs its entry point, which is the binary that the build leaves.
    let image = format!("quorate:{}", env!("CARGO_PKG_VERSION"));
    assert_eq!(container["image"], image);
    assert_eq!(container["command"], Value::Null);
    let dockerfile = fs::read_to_string(folder().join("../Dockerfile")).unwrap();
    assert!(dockerfile.contains("/target/release/quorate /quorate\n"), "{dockerfile}");
    assert!(dockerfile.contains("ENTRYPOINT [\"/quorate\"]\n"), "{dockerfile}");
    assert!(dockerfile.contains("USER 65532:65532\n"), "{dockerfile}");

    // The file of --config is a key of the ConfigMap, below the place where that is mounted.
    let (name, files) = &manifests.config_map;
    let mount = &container["volumeMounts"][0];
    let volume = &manifests.deployment["spec"]["template"]["spec"]["volumes"][0];
    assert_eq!((&volume["name"], &volume["configMap"]["name"]), (&mount["name"], &json!(name)));
    let folder = mount["mountPath"].as_str().unwrap();
    assert_eq!(config_of(&manifests.arguments()), format!("{folder}/{}", files[0]));
    // kustomize reads no files above its folder, so the shipped configuration stands there again.
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/quorate.yaml");
    assert_eq!(read(&files[0]), fs::read_to_string(shipped).unwrap());

    let help = Command::new(env!("CARGO_BIN_EXE_quorate")).args(["run", "--help"]).output();
    let help = String::from_utf8(help.unwrap().stdout).unwrap();
    let port = container["ports"][0]["containerPort"].as_u64().unwrap();
    assert!(help.contains(&format!("[default: {port}]")), "{help}");
}

fn config_of(arguments: &[String]) -> &str {
    arguments.iter().find_map(|argument| argument.strip_prefix("--config=")).unwrap()
}

#[test]
fn the_arguments_start_a_daemon_that_answers_the_probes_and_stops_in_time() {
    let plane = borrow();
    let manifests = Manifests::read();
    manifests.apply(&plane.cluster());
    let container = manifests.container();
    let config = folder().join(&manifests.config_map.1[0]);
    let port = free_port();
    let mut arguments = manifests.arguments();
    let mounted = config_of(&arguments).to_owned();
    for argument in &mut arguments {
        *argument = argument.replace(&mounted, config.to_str().unwrap());
    }
    arguments.push(format!("--http-port={port}"));
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut daemon = plane.start_quorate(&arguments);
    for probe in ["readinessProbe", "livenessProbe"] {
        let path = container[probe]["httpGet"]["path"].as_str().unwrap();
        wait_for(path, SOON, || (get(port, path)?.0 == 200).then_some(()));
    }
    let (code, metrics) = get(port, "/metrics").unwrap();
    assert_eq!(code, 200);
    assert!(metrics.contains("\nquorate_watch_lists_total{kind=\"pods\"} 1\n"), "{metrics}");
    for line in daemon.lines() {
        serde_json::from_str::<Value>(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
    }

    let spec = &manifests.deployment["spec"]["template"]["spec"];
    let grace = Duration::from_secs(spec["terminationGracePeriodSeconds"].as_u64().unwrap());
    let asked = Instant::now();
    assert!(daemon.end(Signal::Term).success());
    assert!(asked.elapsed() < grace);
}

#[test]
fn the_role_allows_what_the_daemon_does_and_nothing_else() {
    let plane = borrow();
    let cluster = plane.cluster();
    let manifests = Manifests::read();
    manifests.apply(&cluster);
    cluster.create_namespace(DATABASES);
    cluster.create(&node("n1").build());
    let _daemon = plane.start_quorate(&["run", "--http-port=0"]);

    // A binding, an event and a condition; a repeated event is patched.
    let create = |name: &str, cpu: &str| {
        let pod = pod(DATABASES, name).request("cpu", cpu).scheduler("quorate");
        cluster.create(&pod.build())
    };
    create("first", "1");
    cluster.wait_until_bound(DATABASES, "first", SOON);
    create("huge", "3500m");
    let asked = |verb: &str, resource: &str| {
        let used = used(&plane);
        used.iter().any(|(_, name, used)| name == resource && used == verb)
    };
    wait_for("a condition", SOON, || asked("patch", "pods/status").then_some(()));
    wait_for("a repeated event", SOON, || {
        create("fleeting", "1m");
        cluster.wait_until_bound(DATABASES, "fleeting", SOON);
        cluster.delete::<Pod>(DATABASES, "fleeting");
        asked("patch", "events").then_some(())
    });
    // A pod that changes while it is being bound is looked up.
    let mut number = 0;
    wait_for("a look-up", SOON, || {
        number += 1;
        let name = format!("changing-{number}");
        create(&name, "1m");
        let label = json!({"metadata": {"labels": {"changed": "yes"}}});
        cluster.patch::<Pod>(DATABASES, &name, &label);
        cluster.delete::<Pod>(DATABASES, &name);
        asked("get", "pods").then_some(())
    });

    create_claiming_pods(&cluster);
    for resource in ["persistentvolumes", "persistentvolumeclaims"] {
        wait_for("a write about claims", SOON, || asked("patch", resource).then_some(()));
    }

    for (kind, path) in [
        ("PlacementPolicy", "namespaces/db/placementpolicies"),
        ("ClusterPlacementPolicy", "clusterplacementpolicies"),
    ] {
        let path = format!("/apis/quorate.dev/v1alpha1/{path}");
        cluster.wait_until_served(&path);
        let policy = json!({
            "apiVersion": "quorate.dev/v1alpha1", "kind": kind, "metadata": {"name": "db"},
            "spec": {"selector": {"matchLabels": {"app": "db"}}},
        });
        cluster.post(&path, &policy).unwrap();
    }
    for resource in ["placementpolicies/status", "clusterplacementpolicies/status"] {
        wait_for(resource, SOON, || asked("patch", resource).then_some(()));
    }
    wait_for("a renewal of the lease", SOON, || asked("update", "leases").then_some(()));

    // API servers that have no streaming lists are asked for ordinary ones.
    let used = used(&plane);
    let listed = used.iter().filter(|(_, _, verb)| verb == "watch");
    let listed =
        listed.map(|(group, resource, _)| (group.clone(), resource.clone(), "list".to_owned()));
    let needed: BTreeSet<_> = listed.chain(used.iter().cloned()).collect();
    assert_eq!(needed, manifests.allowed());
}

/// One pod whose claim gets a volume that is there, and one for which a volume has to be made.
fn create_claiming_pods(cluster: &Cluster) {
    create_class(cluster, "local", BY_HAND, &json!({}));
    create_class(cluster, "made", STAND_IN, &json!({}));
    create_volume(cluster, "disk", "local", HOST, "n1");
    // Nobody else is there who would find that it is free.
    let free = json!({"status": {"phase": "Available"}});
    cluster.patch_status::<PersistentVolume>("", "disk", &free);
    for class in ["local", "made"] {
        create_claim(cluster, DATABASES, class, class);
        let pod = pod(DATABASES, class).request("cpu", "1m").scheduler("quorate");
        cluster.create(&pod.spec("volumes", json!([from_claim(class)])).build());
    }
}

/// What the daemon has asked for so far, as (group, resource, verb).
fn used(plane: &ControlPlane) -> BTreeSet<(String, String, String)> {
    let entries = plane.audit().into_iter().filter(|entry| entry.user == ACCOUNT);
    let used = entries.filter(|entry| !entry.resource.is_empty()).map(|entry| {
        let resource = match &*entry.subresource {
            "" => entry.resource,
            subresource => format!("{}/{subresource}", entry.resource),
        };
        (entry.group, resource, entry.verb)
    });
    used.collect()
}
