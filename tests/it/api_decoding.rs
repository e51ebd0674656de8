//! Real objects, decoded by us and by k8s-openapi, must agree in every field that we keep.

mod fields;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use k8s_openapi::api::apps::v1 as apps;
use k8s_openapi::api::batch::v1 as batch;
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::policy::v1 as policy;
use k8s_openapi::api::scheduling::v1 as scheduling;
use k8s_openapi::api::storage::v1 as storage;
use quorate::api::{self, Format, Object, Objects, decode};
use quorate::sim::input::read_snapshot;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use fields::{Fields, Report};

/// The fields that a struct shared by several kinds has and that this kind has not.
const FOREIGN: [(&str, &[&str]); 3] = [
    ("DaemonSet", &["spec.ordinals", "spec.replicas", "spec.volumeClaimTemplates"]),
    ("Deployment", &["spec.ordinals", "spec.volumeClaimTemplates"]),
    ("ReplicaSet", &["spec.ordinals", "spec.volumeClaimTemplates"]),
];

fn data(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(folder)
}

/// The files of a folder and the folders in it, but for what says where they come from.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let files = paths.into_iter().flat_map(|path| match path.is_dir() {
        true => files(&path),
        false => vec![path],
    });
    files.filter(|path| path.extension().is_some_and(|extension| extension != "md")).collect()
}

/// The objects of a file as plain values: lists are taken apart, and what the API server would
/// have filled in for the decoder is filled in.
fn values(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    let documents: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
    let mut values = Vec::new();
    for mut document in documents {
        let kind = document["kind"].as_str().unwrap().to_owned();
        let api_version = document["apiVersion"].clone();
        let Some(item_kind) = kind.strip_suffix("List") else {
            values.push(document);
            continue;
        };
        for mut item in document["items"].as_array_mut().unwrap().drain(..) {
            if item["kind"].is_null() {
                item["kind"] = item_kind.into();
                item["apiVersion"] = api_version.clone();
            }
            values.push(item);
        }
    }
    values
}

/// Compares our object of this kind and name with what k8s-openapi makes of the value.
fn compare<T, K>(ours: &[T], value: &Value, report: &mut Report)
where
    T: Object + Serialize + DeserializeOwned,
    K: DeserializeOwned + Serialize,
{
    let namespace = value["metadata"]["namespace"].as_str();
    let namespace = if T::NAMESPACED { namespace.unwrap_or("default") } else { "" };
    let name = value["metadata"]["name"].as_str().unwrap();
    let ours = ours.iter().find(|ours| {
        let meta = ours.meta();
        &*meta.name == name && &*meta.namespace == namespace
    });
    let ours = serde_json::to_value(ours.unwrap()).unwrap();
    let mut value = value.clone();
    // The decoder fills the namespace in, or takes it away where the kind has none.
    value["metadata"]["namespace"] = ours["metadata"]["namespace"].clone();
    let theirs: K = serde_json::from_value(value.clone()).unwrap();
    let theirs = serde_json::to_value(&theirs).unwrap();
    report.ours_is_part_of_theirs(&ours, &theirs);
    report.nothing_was_dropped(&Fields::of::<T>(), &value, &ours);
}

/// Compares an object of a kind that we read; says whether it was one.
fn compare_any(objects: &Objects, value: &Value, report: &mut Report) -> bool {
    let group =
        value["apiVersion"].as_str().unwrap().rsplit_once('/').map_or("", |(group, _)| group);
    match (group, value["kind"].as_str().unwrap()) {
        ("", "Node") => compare::<_, core::Node>(&objects.nodes, value, report),
        ("", "Pod") => compare::<_, core::Pod>(&objects.pods, value, report),
        ("", "Namespace") => compare::<_, core::Namespace>(&objects.namespaces, value, report),
        ("", "Service") => compare::<_, core::Service>(&objects.services, value, report),
        ("", "ReplicationController") => {
            let ours = &objects.replication_controllers;
            compare::<_, core::ReplicationController>(ours, value, report);
        }
        ("apps", "ReplicaSet") => {
            compare::<_, apps::ReplicaSet>(&objects.replica_sets, value, report);
        }
        ("apps", "StatefulSet") => {
            compare::<_, apps::StatefulSet>(&objects.stateful_sets, value, report);
        }
        ("apps", "Deployment") => {
            compare::<_, apps::Deployment>(&objects.deployments, value, report);
        }
        ("apps", "DaemonSet") => {
            compare::<_, apps::DaemonSet>(&objects.daemon_sets, value, report);
        }
        ("batch", "Job") => compare::<_, batch::Job>(&objects.jobs, value, report),
        ("scheduling.k8s.io", "PriorityClass") => {
            let ours = &objects.priority_classes;
            compare::<_, scheduling::PriorityClass>(ours, value, report);
        }
        ("", "PersistentVolumeClaim") => {
            let ours = &objects.persistent_volume_claims;
            compare::<_, core::PersistentVolumeClaim>(ours, value, report);
        }
        ("", "PersistentVolume") => {
            compare::<_, core::PersistentVolume>(&objects.persistent_volumes, value, report);
        }
        ("storage.k8s.io", "StorageClass") => {
            compare::<_, storage::StorageClass>(&objects.storage_classes, value, report);
        }
        ("storage.k8s.io", "CSIDriver") => {
            compare::<_, storage::CSIDriver>(&objects.csi_drivers, value, report);
        }
        ("storage.k8s.io", "CSINode") => {
            compare::<_, storage::CSINode>(&objects.csi_nodes, value, report);
        }
        ("storage.k8s.io", "CSIStorageCapacity") => {
            let ours = &objects.csi_storage_capacities;
            compare::<_, storage::CSIStorageCapacity>(ours, value, report);
        }
        ("policy", "PodDisruptionBudget") => {
            // What is read of it is the same in older versions.
            let mut value = value.clone();
            value["apiVersion"] = "policy/v1".into();
            // Not read by us, and a fixture has times in it that k8s-openapi does not take.
            if let Some(status) = value["status"].as_object_mut() {
                status.remove("disruptedPods");
            }
            compare::<_, policy::PodDisruptionBudget>(
                &objects.pod_disruption_budgets,
                &value,
                report,
            );
        }
        ("storage.k8s.io", "VolumeAttachment") => {
            compare::<_, storage::VolumeAttachment>(&objects.volume_attachments, value, report);
        }
        _ => return false,
    }
    true
}

/// Compares all objects of all files of a folder; gives the number of objects of each kind, with
/// those that we do not read in brackets.
fn compare_folder(folder: &Path) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    let mut problems = Vec::new();
    for path in files(folder) {
        let objects = read_snapshot(&path).unwrap();
        let mut other: BTreeMap<_, _> = objects.other.clone();
        for value in values(&path) {
            let mut report = Report::default();
            let kind = value["kind"].as_str().unwrap();
            let kept = compare_any(&objects, &value, &mut report);
            problems.extend(report.lines(&format!("{} {kind}", path.display())));
            if !kept {
                let count = other.get_mut(kind).unwrap();
                *count = count.checked_sub(1).unwrap();
            }
            *counts.entry(if kept { kind.to_owned() } else { format!("({kind})") }).or_default() +=
                1;
        }
        assert!(other.values().all(|count| *count == 0), "{}: {other:?}", path.display());
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    counts
}

fn assert_kept(counts: &BTreeMap<String, usize>, expected: &[(&str, usize)]) {
    let kept = counts.iter().filter(|(kind, _)| !kind.starts_with('('));
    let kept: Vec<_> = kept.map(|(kind, count)| (kind.as_str(), *count)).collect();
    assert_eq!(kept, expected);
}

#[test]
fn every_fixture_of_kubernetes_is_decoded_as_k8s_openapi_does() {
    let counts = compare_folder(&data("k8s-api-fixtures"));
    let kept = [
        ("CSIDriver", 1),
        ("CSINode", 5),
        ("CSIStorageCapacity", 5),
        ("DaemonSet", 1),
        ("Deployment", 1),
        ("Job", 1),
        ("Namespace", 5),
        ("Node", 5),
        ("PersistentVolume", 5),
        ("PersistentVolumeClaim", 5),
        ("Pod", 5),
        ("PodDisruptionBudget", 5),
        ("PriorityClass", 5),
        ("ReplicaSet", 1),
        ("ReplicationController", 1),
        ("Service", 1),
        ("StatefulSet", 5),
        ("StorageClass", 5),
        ("VolumeAttachment", 1),
    ];
    assert_kept(&counts, &kept);
    assert_eq!(counts.values().sum::<usize>(), 95);
}

#[test]
fn every_field_that_we_keep_exists_in_the_newest_kubernetes() {
    let check = |file: &str, fields: Fields| {
        let path = data("k8s-api-fixtures/HEAD").join(format!("{file}.json"));
        let value: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        let kind = value["kind"].as_str().unwrap();
        let foreign =
            FOREIGN.iter().find(|(of, _)| *of == kind).map_or(&[][..], |(_, paths)| paths);
        let missing = fields.missing_in(&value);
        assert_eq!(missing, foreign.iter().map(|path| (*path).to_owned()).collect(), "{file}");
    };
    check("core.v1.Node", Fields::of::<api::Node>());
    check("core.v1.Pod", Fields::of::<api::Pod>());
    check("core.v1.Namespace", Fields::of::<api::Namespace>());
    check("core.v1.Service", Fields::of::<api::Service>());
    check("core.v1.ReplicationController", Fields::of::<api::ReplicationController>());
    check("apps.v1.ReplicaSet", Fields::of::<api::ReplicaSet>());
    check("apps.v1.StatefulSet", Fields::of::<api::StatefulSet>());
    check("apps.v1.Deployment", Fields::of::<api::Deployment>());
    check("apps.v1.DaemonSet", Fields::of::<api::DaemonSet>());
    check("batch.v1.Job", Fields::of::<api::Job>());
    check("scheduling.k8s.io.v1.PriorityClass", Fields::of::<api::PriorityClass>());
    check("core.v1.PersistentVolumeClaim", Fields::of::<api::PersistentVolumeClaim>());
    check("core.v1.PersistentVolume", Fields::of::<api::PersistentVolume>());
    check("storage.k8s.io.v1.StorageClass", Fields::of::<api::StorageClass>());
    check("storage.k8s.io.v1.CSIDriver", Fields::of::<api::CsiDriver>());
    check("storage.k8s.io.v1.CSINode", Fields::of::<api::CsiNode>());
    check("storage.k8s.io.v1.CSIStorageCapacity", Fields::of::<api::CsiStorageCapacity>());
    check("storage.k8s.io.v1.VolumeAttachment", Fields::of::<api::VolumeAttachment>());
}

#[test]
fn a_field_that_is_lost_or_changed_is_found() {
    let value: Value = serde_json::from_str(
        r#"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "b"},
            "spec": {"nodeName": "n", "priority": 5, "overhead": {"cpu": "0.5", "memory": "1Ki"},
                     "containers": [{"name": "x"}, {"image": "y"}], "tolerations": []},
            "status": {"startTime": "2020-01-01T00:00:00Z"}}"#,
    )
    .unwrap();
    let check = |change: fn(&mut api::Pod), expected: &[&str]| {
        let mut objects = decode(&value.to_string(), Format::Json).unwrap();
        change(&mut objects.pods[0]);
        let mut report = Report::default();
        compare::<_, core::Pod>(&objects.pods, &value, &mut report);
        let found: BTreeSet<String> = report.lines("").into_iter().collect();
        assert_eq!(found, expected.iter().map(|line| format!(": {line}")).collect());
    };
    check(|_| {}, &[]);
    check(|pod| pod.spec.node_name = "".into(), &["spec.nodeName was dropped"]);
    check(|pod| pod.spec.priority = Some(6), &["spec.priority is 6 and not 5"]);
    check(|pod| pod.spec.host_network = true, &["spec.hostNetwork is true and not null"]);
    check(
        |pod| pod.spec.containers[1].image = "".into(),
        &["spec.containers[1].image was dropped"],
    );
    check(
        |pod| drop(pod.spec.containers.pop()),
        &["spec.containers has 1 and not 2", "spec.containers[1] was dropped"],
    );
    check(|pod| drop(pod.spec.overhead.remove("memory")), &["spec.overhead has 1 and not 2"]);
    check(
        |pod| pod.status.start_time = Some(jiff::Timestamp::UNIX_EPOCH),
        &["status.startTime is \"1970-01-01T00:00:00Z\" and not \"2020-01-01T00:00:00Z\""],
    );
}

#[test]
fn real_dumps_are_decoded_as_k8s_openapi_does() {
    let counts = compare_folder(&data("cluster-dumps"));
    assert_kept(&counts, &[("Node", 8), ("Pod", 6), ("StatefulSet", 1)]);
}

#[test]
fn manifests_of_databases_are_decoded_as_k8s_openapi_does() {
    let counts = compare_folder(&data("db-manifests"));
    let kept = [
        ("Deployment", 1),
        ("Job", 1),
        ("Pod", 1),
        ("PodDisruptionBudget", 1),
        ("Service", 5),
        ("StatefulSet", 6),
        ("StorageClass", 1),
    ];
    assert_kept(&counts, &kept);
    let counts = compare_folder(&data("percona-golden"));
    let kept =
        [("PersistentVolumeClaim", 1), ("Pod", 1), ("PodDisruptionBudget", 1), ("StatefulSet", 12)];
    assert_kept(&counts, &kept);
}

#[test]
fn a_manifest_without_names_is_refused() {
    let path = data("refused/testing__kuttl__e2e__security-context__00-assert.yaml");
    let error = read_snapshot(&path).unwrap_err().to_string();
    assert!(error.ends_with("document 2: metadata.name is missing in this Job"), "{error}");
}
