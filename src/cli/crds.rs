//! `quorate crds`: prints the CustomResourceDefinitions of our kinds.

use std::process::ExitCode;

use super::print;

/// PlacementPolicy and ClusterPlacementPolicy.
const CRDS: [&str; 2] = [
    include_str!("../../deploy/crds/placementpolicies.yaml"),
    include_str!("../../deploy/crds/clusterplacementpolicies.yaml"),
];

pub fn run() -> anyhow::Result<ExitCode> {
    print(&CRDS.join("---\n"))?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Value, json};

    use super::*;
    use crate::api::policy::{
        DegradedLevel, LabelValue, PlacementPolicyStatus, PolicyCondition, PolicyKeys, RoleLabel,
        WorstGroup,
    };
    use crate::api::{LevelRule, Object, PlacementPolicy, PlacementPolicySpec, Primaries};
    use crate::groups::{LEVELS_MAX, MEMBERS_MAX, Rule};
    use crate::model::LabelSelector;

    fn schemas() -> Vec<(Value, Value)> {
        let schemas = CRDS.iter().map(|text| {
            let crd: Value = serde_saphyr::from_str(text).unwrap();
            let schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone();
            (crd, schema["properties"].clone())
        });
        schemas.collect()
    }

    /// A value with every field of the Rust type; a new field does not compile without one here.
    fn full_spec() -> Value {
        let selector = LabelSelector {
            match_labels: [("app".into(), "db".into())].into(),
            match_expressions: serde_json::from_value(json!([
                {"key": "tier", "operator": "In", "values": ["data"]},
            ]))
            .unwrap(),
        };
        let text = || Some("x".into());
        let spec = PlacementPolicySpec {
            selector: selector.clone(),
            namespace_selector: Some(selector.clone()),
            keys: PolicyKeys {
                cluster: text(),
                part: vec!["x".into()],
                member: text(),
                rack: text(),
            },
            role: Some(RoleLabel { key: "x".into(), primary: vec!["x".into()] }),
            initial_primary: text(),
            initial_primary_label: Some(LabelValue { key: "x".into(), value: "x".into() }),
            voters: Some(selector),
            rule: text(),
            replication_factor: Some(3),
            needed: Some(2),
            desired_size: Some(3),
            levels: vec![LevelRule::default()],
            max_members: Some(1),
            primaries: Some(Primaries::Ignore),
            scatter_width: Some(1),
        };
        serde_json::to_value(spec).unwrap()
    }

    fn full_status() -> Value {
        let status = PlacementPolicyStatus {
            observed_generation: 1,
            groups: 1,
            members: 1,
            tolerant: 1,
            at_risk: 1,
            degraded: vec![DegradedLevel { group: "x".into(), level: "x".into() }],
            worst: vec![WorstGroup {
                group: "x".into(),
                size: 1,
                tolerance: 1,
                level: "x".into(),
                lost_by: vec!["x".into()],
            }],
            conditions: vec![PolicyCondition {
                type_: "x".into(),
                status: "x".into(),
                reason: "x".into(),
                message: "x".into(),
                observed_generation: 1,
                last_transition_time: Some(jiff::Timestamp::UNIX_EPOCH),
            }],
        };
        serde_json::to_value(status).unwrap()
    }

    /// Where a value and its schema have other fields or other types.
    fn differences(path: &str, value: &Value, schema: &Value) -> Vec<String> {
        let expected = match value {
            Value::Object(_) => "object",
            Value::Array(_) => "array",
            Value::Number(_) => "integer",
            _ => "string",
        };
        if schema["type"] != expected {
            return vec![format!("{path}: {} in the schema, {expected} here", schema["type"])];
        }
        match value {
            Value::Object(fields) if schema["properties"].is_object() => {
                let known = schema["properties"].as_object().unwrap();
                let names: BTreeSet<&String> = known.keys().chain(fields.keys()).collect();
                let both = names.into_iter().flat_map(|name| {
                    let inner = format!("{path}.{name}");
                    match (fields.get(name), known.get(name)) {
                        (Some(field), Some(schema)) => differences(&inner, field, schema),
                        (None, _) => vec![format!("{inner}: only in the schema")],
                        (_, None) => vec![format!("{inner}: not in the schema")],
                    }
                });
                both.collect()
            }
            Value::Array(items) => differences(&format!("{path}[]"), &items[0], &schema["items"]),
            _ => Vec::new(),
        }
    }

    #[test]
    fn the_schemas_have_the_fields_of_the_types_and_no_others() {
        for (crd, schema) in schemas() {
            let kind = &crd["spec"]["names"]["kind"];
            let spec = differences("spec", &full_spec(), &schema["spec"]);
            assert_eq!(spec, [""; 0], "{kind}");
            let status = differences("status", &full_status(), &schema["status"]);
            assert_eq!(status, [""; 0], "{kind}");
        }
        let (_, schema) = schemas().remove(0);
        let mut other = full_spec();
        other["levels"][0]["fast"] = json!(true);
        other["rule"] = json!(7);
        other.as_object_mut().unwrap().remove("needed");
        let found = differences("spec", &other, &schema["spec"]);
        assert_eq!(
            found,
            [
                "spec.levels[].fast: not in the schema",
                "spec.needed: only in the schema",
                "spec.rule: \"string\" in the schema, integer here",
            ]
        );
    }

    #[test]
    fn limits_and_names_of_the_schemas_are_those_of_the_program() {
        for (crd, schema) in schemas() {
            assert_eq!(crd["spec"]["group"], PlacementPolicy::GROUP);
            let spec = &schema["spec"]["properties"];
            assert_eq!(spec["levels"]["maxItems"], LEVELS_MAX);
            for number in ["desiredSize", "maxMembers", "scatterWidth"] {
                let limits = (&spec[number]["minimum"], &spec[number]["maximum"]);
                assert_eq!(limits, (&json!(1), &json!(MEMBERS_MAX)), "{number}");
            }
            use crate::analysis::policy_status::{DEGRADED_MAX, LOST_BY_MAX, WORST_MAX};
            let status = &schema["status"]["properties"];
            assert_eq!(status["degraded"]["maxItems"], DEGRADED_MAX);
            assert_eq!(status["worst"]["maxItems"], WORST_MAX);
            let lost_by = &status["worst"]["items"]["properties"]["lostBy"];
            assert_eq!(lost_by["maxItems"], LOST_BY_MAX);
            let factor = Rule::ReplicationFactor { factor: 3, needed: 2 };
            let rules =
                [Rule::Majority, Rule::NMinusOne, factor, Rule::MastersMajority, Rule::Untolerant];
            let names = rules.map(|rule| match serde_json::to_value(rule).unwrap() {
                Value::Object(fields) => json!(fields.keys().next().unwrap()),
                name => name,
            });
            assert_eq!(spec["rule"]["enum"], json!(names));
        }
        let scopes = schemas().into_iter().map(|(crd, _)| crd["spec"]["scope"].clone());
        assert_eq!(scopes.collect::<Vec<_>>(), ["Namespaced", "Cluster"]);
        let [own, cluster] = [0, 1].map(|at| schemas()[at].1["spec"]["properties"].clone());
        for (name, field) in own.as_object().unwrap() {
            assert!(name == "namespaceSelector" || *field == cluster[name], "{name}");
        }
    }
}
