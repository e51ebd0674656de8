//! `quorate check-config` from outside: what it prints, and with which code it ends.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

fn check_config(arguments: &[&str]) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quorate"));
    command.arg("check-config").args(arguments);
    let output = command.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Checks a file with this text; its name ends with `name`.
fn check_text(name: &str, text: &[u8]) -> Ended {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, text).unwrap();
    check_config(&[path.to_str().unwrap()])
}

#[test]
fn the_shipped_configuration_is_printed_as_text_and_as_json() {
    let text = check_config(&["config/quorate.yaml"]);
    assert_eq!((text.code, &*text.stderr), (Some(0), ""));
    assert!(text.stdout.contains("- schedulerName: quorate\n"), "{}", text.stdout);
    let json = check_config(&["config/quorate.yaml", "--output", "json"]);
    assert_eq!((json.code, &*json.stderr), (Some(0), ""));
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["schema"], "quorate.dev/check-config/v1");
    assert_eq!(json["profiles"][0]["queueSort"], "PrioritySort");
}

#[test]
fn a_file_of_kube_scheduler_is_read_as_it_is() {
    for name in ["kubeadm", "multi-profile", "multi-point", "removed-plugins"] {
        let ended = check_config(&[&format!("tests/config/{name}.yaml"), "--output", "json"]);
        assert_eq!((ended.code, &*ended.stderr), (Some(0), ""), "{name}");
    }
}

#[test]
fn bad_input_ends_with_2_and_one_line_that_names_file_field_and_value() {
    let head = "apiVersion: quorate.dev/v1alpha1\nkind: SchedulerConfiguration\n";
    let cases = [
        ("unknown-field", "paralelism: 3", "paralelism: unknown field with value 3"),
        (
            "weight",
            "profiles: [{plugins: {score: {enabled: [{name: NodeAffinity, weight: -1}]}}}]",
            "profiles[0].plugins.score.enabled[0].weight: -1 is not an integer from 0",
        ),
        (
            "plugin",
            "profiles: [{plugins: {bind: {enabled: [{name: Coscheduling}]}}}]",
            "profiles[0].plugins.bind.enabled[0].name: \"Coscheduling\" is not a known plugin",
        ),
        (
            "extenders",
            "extenders: [{urlPrefix: 'http://x'}]",
            "extenders[0].urlPrefix: \"http://x\" is not supported",
        ),
        ("syntax", "profiles: [", "not readable as YAML: "),
    ];
    for (name, lines, expected) in cases {
        let file = format!("{name}.yaml");
        let ended = check_text(&file, format!("{head}{lines}").as_bytes());
        assert_eq!((ended.code, &*ended.stdout), (Some(2), ""), "{name}");
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
        let text = format!("{file}: {expected}");
        assert!(ended.stderr.contains(&text), "{} lacks {text}", ended.stderr);
    }
}

#[test]
fn a_file_that_cannot_be_read_ends_with_2() {
    let missing = check_config(&["tests/config/missing.yaml"]);
    assert_eq!((missing.code, missing.stderr.lines().count()), (Some(2), 1));
    assert!(missing.stderr.contains("tests/config/missing.yaml: "), "{}", missing.stderr);
    let binary = check_text("binary.yaml", &[0xff, 0xfe, 0x00]);
    assert_eq!((binary.code, binary.stderr.lines().count()), (Some(2), 1));
    assert_eq!(check_config(&[]).code, Some(2));
}
