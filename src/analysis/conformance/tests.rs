//! The recorded answers that come with the repository are ours too.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use flate2::read::GzDecoder;
use serde_json::{Value, json};

use super::functions::{TOPICS, check};

fn recorded(topic: &str) -> impl Iterator<Item = Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let file = File::open(folder.join(format!("{topic}.jsonl.gz"))).unwrap();
    let lines = BufReader::new(GzDecoder::new(file)).lines();
    lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap())
}

#[test]
fn the_small_functions_answer_as_kube_scheduler_did() {
    for topic in TOPICS {
        let mut compared = 0;
        for line in recorded(topic) {
            compared += 1;
            if let Err(difference) = check(topic, &line) {
                panic!("{topic}, line {compared}: {difference}\n{line}");
            }
        }
        assert!(compared >= 3000, "{topic}: only {compared} lines");
    }
}

#[test]
fn a_wrong_answer_is_reported_with_both_sides() {
    let check = |topic: &str, line: Value, expected: &str| {
        assert_eq!(check(topic, &line), Err(expected.to_owned()));
    };
    check(
        "quantity_pairs",
        json!({"a": "1", "b": "2", "cmp": 1, "sum": "3", "difference": "-1"}),
        "cmp: ours -1, recorded 1",
    );
    check("quantities", json!({"in": "1", "error": "no"}), r#""1" is accepted, recorded: "no""#);
    check(
        "label_selectors",
        json!({
            "selector": {}, "string": "", "everything": true, "nothing": false,
            "matches": [[{"a": "1"}, false]],
        }),
        r#"match of {"a": "1"}: ours true, recorded false"#,
    );
    check(
        "node_selectors",
        json!({"nodeSelector": {}, "nodes": [{"name": "n"}], "match": ["an error"]}),
        "match of node n: ours Some(false), recorded None",
    );
    check(
        "tolerations",
        json!({
            "taints": [{"key": "a", "effect": "NoSchedule"}], "tolerations": [], "tolerates": [],
        }),
        concat!(
            r#"untolerated: ours Some(Taint { key: "a", value: "", effect: "NoSchedule" }), "#,
            "recorded None",
        ),
    );
    check(
        "pod_requests",
        json!({"pod": {}, "requests": {"cpu": "1"}}),
        r#"requests: ours {}, recorded {"cpu": "1"}"#,
    );
    check("scheduling", json!({}), r#"there is no topic "scheduling""#);
}
