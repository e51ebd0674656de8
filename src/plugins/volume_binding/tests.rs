//! Tests of VolumeBinding, by question.

mod binding;
mod filtering;
mod scoring;
mod siblings;

use super::VolumeBinding;
use super::args::VolumeBindingArgs;
use crate::framework::decode_args;
use crate::testing::storage::{VolumeBuilder, volume};

const HOST: &str = "kubernetes.io/hostname";

fn plugin() -> VolumeBinding {
    VolumeBindingArgs::default().compile().unwrap()
}

/// A volume that only this node reaches.
fn local(name: &str, node: &str) -> VolumeBuilder {
    volume(name).class("local").reached_from(HOST, &[node])
}

#[test]
fn arguments_are_checked() {
    let check = |args: serde_json::Value, expected: &str| {
        let args = decode_args::<VolumeBindingArgs>(&args);
        let error = args.and_then(VolumeBindingArgs::compile).err().map(|e| e.to_string());
        assert_eq!(error.unwrap_or_default(), expected);
    };
    check(serde_json::json!({}), "");
    check(serde_json::json!({"bindTimeoutSeconds": 0, "shape": []}), "");
    check(
        serde_json::json!({"bindTimeoutSeconds": -1}),
        "bindTimeoutSeconds: -1: expected 0 or more",
    );
    check(
        serde_json::json!({"shape": [{"utilization": 0, "score": 11}]}),
        "shape[0].score: 11: expected a number from 0 to 10",
    );
}
