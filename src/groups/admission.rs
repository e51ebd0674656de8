//! Admission policies that stamp our schedulerName on pods whose operators cannot set it.

use serde_json::{Map, Value, json};

use super::preset::{Part, Preset};
use crate::model::{LabelSelector, Str};

/// The label and the value of namespaces whose pods are stamped.
pub const NAMESPACE_LABEL: (&str, &str) = ("quorate.dev/schedule", "enabled");
/// Pods with this label, whatever its value, are left alone.
pub const BREAK_GLASS_LABEL: &str = "quorate.dev/break-glass";
/// What the API server writes where a pod names no scheduler.
const DEFAULT_SCHEDULER: &str = "default-scheduler";

/// What to stamp.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    pub scheduler_name: Str,
    /// The labels of nodes over which to stamp spread constraints, which cluster autoscalers can
    /// see.
    pub spread: Vec<Str>,
}

/// A MutatingAdmissionPolicy and its binding for each kind of pods that the preset knows.
pub fn manifests(preset: &Preset, stamp: &Stamp) -> Vec<Value> {
    let mut manifests = Vec::new();
    for (index, part) in preset.parts.iter().enumerate() {
        // Parts may count the same pods in two ways.
        let mut before = preset.parts[..index].iter();
        if before.any(|other| other.selector == part.selector) {
            continue;
        }
        let name = format!("quorate-{}-{}", preset.name, part.name);
        manifests.push(policy(&name, part, stamp));
        manifests.push(binding(&name));
    }
    manifests
}

fn policy(name: &str, part: &Part, stamp: &Stamp) -> Value {
    let scheduler = text(&stamp.scheduler_name);
    let name_it = json!({
        "patchType": "ApplyConfiguration",
        "applyConfiguration": {
            "expression": format!("Object{{spec: Object.spec{{schedulerName: {scheduler}}}}}"),
        },
    });
    // An ApplyConfiguration may not write lists that are replaced as a whole, as selectors are.
    let spread = stamp.spread.iter().filter_map(|key| spread(part, key)).map(
        |expression| json!({"patchType": "JSONPatch", "jsonPatch": {"expression": expression}}),
    );
    let mutations = std::iter::once(name_it).chain(spread);
    let unnamed = format!(
        "!has(object.spec.schedulerName) || object.spec.schedulerName == {}",
        text(DEFAULT_SCHEDULER)
    );
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            // A pod that is not stamped goes wherever another scheduler puts it. Better none.
            "failurePolicy": "Fail",
            "reinvocationPolicy": "Never",
            "matchConstraints": {
                "objectSelector": object_selector(&part.selector),
                "resourceRules": [{
                    "apiGroups": [""], "apiVersions": ["v1"],
                    "operations": ["CREATE"], "resources": ["pods"],
                }],
            },
            "matchConditions": [{"name": "names-no-scheduler", "expression": unnamed}],
            "mutations": mutations.collect::<Vec<_>>(),
        },
    })
}

fn binding(name: &str) -> Value {
    let (key, value) = NAMESPACE_LABEL;
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {
            "policyName": name,
            "matchResources": {"namespaceSelector": {"matchLabels": {key: value}}},
        },
    })
}

/// The preset's selector, and no break-glass label.
fn object_selector(selector: &LabelSelector) -> Value {
    let own = selector.match_expressions.iter().map(|requirement| json!(requirement));
    let no_break_glass = json!({"key": BREAK_GLASS_LABEL, "operator": "DoesNotExist"});
    let expressions: Vec<Value> = own.chain([no_break_glass]).collect();
    let mut written = Map::new();
    if !selector.match_labels.is_empty() {
        written.insert("matchLabels".to_owned(), json!(selector.match_labels));
    }
    written.insert("matchExpressions".to_owned(), json!(expressions));
    Value::Object(written)
}

/// Adds a spread constraint among the pods of one group, unless the pod has one over this label.
/// Pods whose labels do not tell one cluster from another get none: it would spread all clusters of
/// the namespace as if they were one.
fn spread(part: &Part, key: &Str) -> Option<String> {
    let cluster = part.cluster.as_ref()?;
    let same: Vec<&Str> = std::iter::once(cluster).chain(&part.part).collect();
    let object = "Object.spec.topologySpreadConstraints";
    let keys: Vec<String> = same.iter().map(|key| text(key)).collect();
    let (key, keys) = (text(key), keys.join(", "));
    let selector = selector_expression(&part.selector, &same);
    let constraint = format!(
        "{object}{{maxSkew: 1, topologyKey: {key}, whenUnsatisfiable: 'DoNotSchedule', \
         matchLabelKeys: [{keys}], labelSelector: {object}.labelSelector{selector}}}"
    );
    let (list, path) = ("object.spec.topologySpreadConstraints", "/spec/topologySpreadConstraints");
    Some(format!(
        "!has({list}) ? [JSONPatch{{op: 'add', path: '{path}', value: [{constraint}]}}] : \
         {list}.exists(c, c.topologyKey == {key}) ? [] : \
         [JSONPatch{{op: 'add', path: '{path}/-', value: {constraint}}}]"
    ))
}

/// The selector without the labels of which the API server adds the pod's own values.
fn selector_expression(selector: &LabelSelector, without: &[&Str]) -> String {
    let kept = |key: &Str| !without.contains(&key);
    let labels = selector.match_labels.iter().filter(|(key, _)| kept(key));
    let labels: Vec<String> =
        labels.map(|(key, value)| format!("{}: {}", text(key), text(value))).collect();
    let requirements = selector.match_expressions.iter().filter(|one| kept(&one.key));
    let requirements: Vec<String> = requirements
        .map(|one| {
            let values: Vec<String> = one.values.iter().map(|value| text(value)).collect();
            let values = match values.is_empty() {
                true => String::new(),
                false => format!(", values: [{}]", values.join(", ")),
            };
            let object = "Object.spec.topologySpreadConstraints.labelSelector.matchExpressions";
            let (key, operator) = (text(&one.key), text(&one.operator));
            format!("{object}{{key: {key}, operator: {operator}{values}}}")
        })
        .collect();
    let mut fields = Vec::new();
    if !labels.is_empty() {
        fields.push(format!("matchLabels: {{{}}}", labels.join(", ")));
    }
    if !requirements.is_empty() {
        fields.push(format!("matchExpressions: [{}]", requirements.join(", ")));
    }
    format!("{{{}}}", fields.join(", "))
}

/// A text of CEL.
fn text(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::groups::built_in;

    const PRESET: &str = "
name: shards
title: Shards
parts:
- name: shard
  match:
    matchLabels: {app: db}
    matchExpressions:
    - {key: db/shard, operator: Exists}
    - {key: tier, operator: NotIn, values: [proxy, backup]}
  cluster: db/cluster
  part: [db/shard]
  rule: majority
  why: it votes
- name: primaries
  match:
    matchLabels: {app: db}
    matchExpressions:
    - {key: db/shard, operator: Exists}
    - {key: tier, operator: NotIn, values: [proxy, backup]}
  rule: mastersMajority
  why: they vote, too
- name: proxy
  match: {matchLabels: {app: proxy}}
  rule: nMinusOne
  why: any will do
scheduler: {none: true}
defaultPlacement: none
verified: {by: none}
";

    fn manifests_of(spread: &[&str]) -> Vec<Value> {
        let spread = spread.iter().map(|key| Str::from(*key)).collect();
        let stamp = Stamp { scheduler_name: "quorate".into(), spread };
        manifests(&Preset::parse("shards", PRESET).unwrap(), &stamp)
    }

    #[test]
    fn each_selector_gets_a_policy_and_its_binding() {
        let manifests = manifests_of(&[]);
        let names: Vec<_> = manifests.iter().map(|one| one["metadata"]["name"].as_str()).collect();
        let expected = ["quorate-shards-shard", "quorate-shards-proxy"];
        assert_eq!(names, expected.iter().flat_map(|name| [Some(*name); 2]).collect::<Vec<_>>());
        let spec = &manifests[0]["spec"];
        assert_eq!(
            spec["matchConstraints"]["objectSelector"],
            json!({"matchLabels": {"app": "db"}, "matchExpressions": [
                {"key": "db/shard", "operator": "Exists"},
                {"key": "tier", "operator": "NotIn", "values": ["proxy", "backup"]},
                {"key": "quorate.dev/break-glass", "operator": "DoesNotExist"},
            ]})
        );
        let mutations = spec["mutations"].as_array().unwrap();
        let expression = &mutations[0]["applyConfiguration"]["expression"];
        assert_eq!(expression, "Object{spec: Object.spec{schedulerName: 'quorate'}}");
        assert_eq!((mutations.len(), &manifests[1]["spec"]["policyName"]), (1, &names[0].into()));
    }

    #[test]
    fn a_spread_constraint_counts_the_pods_of_one_group() {
        let manifests = manifests_of(&["topology.kubernetes.io/zone"]);
        let mutations = manifests[0]["spec"]["mutations"].as_array().unwrap();
        let expression = mutations[1]["jsonPatch"]["expression"].as_str().unwrap();
        for part in [
            "exists(c, c.topologyKey == 'topology.kubernetes.io/zone') ? [] : ",
            "matchLabelKeys: ['db/cluster', 'db/shard']",
            "labelSelector{matchLabels: {'app': 'db'}, matchExpressions: [",
            "matchExpressions{key: 'tier', operator: 'NotIn', values: ['proxy', 'backup']}]}",
        ] {
            assert!(expression.contains(part), "{part}: {expression}");
        }
        // The API server refuses a key in both places.
        assert!(!expression.contains("key: 'db/shard'"), "{expression}");
        // No label tells one proxy's cluster from another.
        assert_eq!(manifests[2]["spec"]["mutations"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn texts_of_cel_are_quoted() {
        assert_eq!(text("it's \\"), "'it\\'s \\\\'");
    }

    #[test]
    fn names_of_all_policies_are_names_of_objects_and_none_is_there_twice() {
        let stamp = Stamp { scheduler_name: "quorate".into(), spread: Vec::new() };
        let mut names = std::collections::BTreeSet::new();
        for preset in built_in().unwrap() {
            for manifest in manifests(&preset, &stamp) {
                let name = manifest["metadata"]["name"].as_str().unwrap().to_owned();
                let valid = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
                assert!(name.chars().all(valid) && name.len() <= 63, "{name}");
                let kind = manifest["kind"].to_string();
                assert!(names.insert((kind, name)), "{manifest}");
            }
        }
    }
}
