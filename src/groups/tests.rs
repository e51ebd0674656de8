//! Tests of presets, policies and who belongs where.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::*;
use crate::api;
use crate::model::{Labels, Str};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/presets");

fn memberships(catalogue: &Catalogue, pod: &api::Pod) -> Vec<Membership> {
    let none = Labels::default();
    catalogue.memberships(Candidate {
        namespace: &pod.metadata.namespace,
        namespace_labels: &none,
        name: &pod.metadata.name,
        labels: &pod.metadata.labels,
        owner: pod.metadata.controller(),
    })
}

#[test]
fn every_file_of_presets_is_in_the_table_and_can_be_read() {
    let files = std::fs::read_dir(FOLDER).unwrap().map(|entry| entry.unwrap().path());
    let yaml = files.filter(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    let names: BTreeSet<String> =
        yaml.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned()).collect();
    let presets = built_in().unwrap();
    let known: BTreeSet<String> = presets.iter().map(|preset| preset.name.to_string()).collect();
    assert_eq!(known, names);
    assert!(presets.len() >= 30);
}

/// What `fixtures/expected.yaml` says of one fixture.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    file: String,
    part: Option<Str>,
    cluster: Option<Str>,
    #[serde(default)]
    values: Vec<String>,
    votes: Option<bool>,
}

/// The pod of a fixture, or the one that its StatefulSet would make.
fn pod_of(text: &str) -> api::Pod {
    let documents: Vec<serde_json::Value> = serde_saphyr::from_multiple(text).unwrap();
    let find = |kind: &str| documents.iter().find(|document| document["kind"] == kind).cloned();
    if let Some(pod) = find("Pod") {
        return serde_json::from_value(pod).unwrap();
    }
    let set: api::StatefulSet = serde_json::from_value(find("StatefulSet").unwrap()).unwrap();
    let template = set.spec.template.unwrap();
    let owner = api::OwnerReference {
        kind: "StatefulSet".into(),
        name: set.metadata.name.clone(),
        controller: Some(true),
        ..api::OwnerReference::default()
    };
    let mut pod = api::Pod { metadata: template.metadata, ..api::Pod::default() };
    pod.metadata.name = format!("{}-0", set.metadata.name).into();
    pod.metadata.owner_references = vec![owner];
    pod
}

#[test]
fn rendered_pods_of_operators_belong_where_their_preset_says() {
    let presets = built_in().unwrap();
    let catalogue = Catalogue::new(&presets).unwrap();
    let expected = std::fs::read_to_string(format!("{FOLDER}/fixtures/expected.yaml")).unwrap();
    let expected: Vec<Expected> = serde_saphyr::from_str(&expected).unwrap();
    let mut families = BTreeSet::new();
    for case in expected {
        let text = std::fs::read_to_string(format!("{FOLDER}/fixtures/{}", case.file)).unwrap();
        let (preset, _) = case.file.split_once('/').unwrap();
        let pod = pod_of(&text);
        let found = memberships(&catalogue, &pod);
        let Some(part) = &case.part else {
            let by_preset = found.iter().filter(|one| !one.key.preset.is_empty());
            assert_eq!(by_preset.count(), 0, "{}", case.file);
            continue;
        };
        families.insert(preset.to_owned());
        let one = found.iter().find(|one| one.definition.part == *part);
        let one = one.unwrap_or_else(|| panic!("{}: {found:?}", case.file));
        assert_eq!(&*one.key.preset, preset, "{}", case.file);
        if let Some(cluster) = &case.cluster {
            assert_eq!(one.key.cluster, *cluster, "{}", case.file);
        }
        assert!(!one.key.cluster.is_empty(), "{}", case.file);
        assert!(one.key.part.ends_with(&case.values.join("/")), "{}: {}", case.file, one.key);
        assert_eq!(Some(one.voter), case.votes, "{}", case.file);
    }
    let verified = presets.iter().filter(|preset| preset.verified.fixture.is_some());
    let verified: BTreeSet<String> = verified.map(|preset| preset.name.to_string()).collect();
    assert_eq!(families, verified);
    assert!(verified.len() >= 6);
}

#[test]
fn so_many_voters_may_be_gone() {
    let check = |rule: Rule, tolerances: [u32; 6]| {
        let found: Vec<u32> = (0..6).map(|size| rule.tolerance(size)).collect();
        assert_eq!(found, tolerances, "{rule:?}");
    };
    check(Rule::Majority, [0, 0, 0, 1, 1, 2]);
    check(Rule::MastersMajority, [0, 0, 0, 1, 1, 2]);
    check(Rule::NMinusOne, [0, 0, 1, 2, 3, 4]);
    check(Rule::ReplicationFactor { factor: 3, needed: 2 }, [0, 0, 0, 1, 1, 1]);
    check(Rule::ReplicationFactor { factor: 3, needed: 1 }, [0, 0, 1, 2, 2, 2]);
    check(Rule::Untolerant, [0; 6]);
}
