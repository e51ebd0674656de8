//! The shipped simulations of databases, run as a user runs them, and what each shows.

use std::process::{Command, Output};

use serde_json::Value;

const ZONE: &str = "topology.kubernetes.io/zone";
const RACK: &str = "topology.kubernetes.io/rack";

fn quorate(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_quorate"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap()
}

fn simulate(name: &str, more: &[&str]) -> Value {
    let folder = format!("simulations/{name}");
    let output = quorate(&[&["simulate", &folder, "--output", "json"], more].concat());
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{error}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn row<'a>(report: &'a Value, profile: &str) -> &'a Value {
    let mut rows = report["compare"].as_array().unwrap().iter();
    rows.find(|row| row["profile"] == profile).unwrap_or_else(|| panic!("no {profile}"))
}

fn lost(report: &Value, profile: &str) -> u64 {
    row(report, profile)["quorumsLostByOneDomain"].as_u64().unwrap()
}

/// The groups that are degraded at a level.
fn degraded(report: &Value, level: &str) -> usize {
    let all = report["degraded"].as_array().unwrap();
    all.iter().filter(|degraded| degraded["level"] == level).count()
}

/// The most members of any workload in one domain of a level, by how many members it has.
fn fullest(report: &Value, level: &str, members: u64) -> u64 {
    let rows = report["runs"][0]["spread"].as_array().unwrap().iter();
    let rows = rows.filter(|row| row["placed"] == members);
    rows.map(|row| row["levels"][level]["max"].as_u64().unwrap()).max().unwrap()
}

#[test]
fn the_quickstart_shows_which_quorums_one_rack_takes_and_that_ours_leaves_what_none_can_keep() {
    let report = simulate("quickstart", &["--compare", "parity,random,exact"]);
    for profile in ["database", "parity", "random", "exact"] {
        assert_eq!(row(&report, profile)["placed"], 18, "{profile}");
        assert_eq!(row(&report, profile)["pending"], 0, "{profile}");
    }
    // Four members over three racks: no placement keeps three of them.
    let infeasible = serde_json::json!([
        {"group": "timeseries/influxdb/servers", "level": RACK, "feasible": false},
    ]);
    assert_eq!(report["degraded"], infeasible);
    assert_eq!(lost(&report, "exact"), 1);
    assert_eq!(lost(&report, "database"), 1);
    assert!(lost(&report, "parity") > 1, "{:#}", report["compare"]);
    assert!(lost(&report, "random") > 1, "{:#}", report["compare"]);
}

#[test]
fn the_quickstart_tells_its_story_in_tables() {
    let output = quorate(&["simulate", "simulations/quickstart"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    // Who placed the pods, how many have a node, and how many wait.
    for expected in [["database", "18", "0"], ["parity", "18", "0"]] {
        let mut lines = text.lines().map(|line| line.split_whitespace().take(3));
        assert!(lines.any(|line| line.eq(expected)), "{expected:?}: {text}");
    }
    assert!(text.contains("timeseries/influxdb/servers: too few domains of rack"), "{text}");
}

#[test]
fn two_zones_are_degraded_while_hosts_and_racks_are_kept() {
    let report = simulate("two-zones", &[]);
    assert_eq!(report["pending"], 0);
    assert_eq!(degraded(&report, ZONE), 25);
    assert_eq!(report["degraded"].as_array().unwrap().len(), 25, "{:#}", report["degraded"]);
    // Three members of a majority: one in a host or rack; five: two in a rack.
    assert_eq!((fullest(&report, "host", 3), fullest(&report, "rack", 3)), (1, 1));
    assert!(fullest(&report, "rack", 5) <= 2);
    assert_eq!((fullest(&report, "zone", 3), fullest(&report, "zone", 5)), (2, 3));
}

#[test]
fn no_quorum_hangs_on_one_of_three_uneven_zones() {
    let report = simulate("three-zones-skewed", &["--compare", "parity,random"]);
    let rows = report["compare"].as_array().unwrap();
    let profiles: Vec<&Value> = rows.iter().map(|row| &row["profile"]).collect();
    assert_eq!(profiles, ["database", "parity", "random"]);
    assert_eq!(row(&report, "database")["pending"], 0);
    assert_eq!(lost(&report, "database"), 0, "{:#}", row(&report, "database")["lost"]);
    assert!(lost(&report, "random") > 0);
}

#[test]
fn members_whose_disks_are_there_go_back_to_their_zones_and_the_others_leave_them_room() {
    let report = simulate("sts-zonal-pv-corner", &[]);
    let steps = report["runs"][0]["steps"].as_array().unwrap();
    let replicas: Vec<&Value> = steps.iter().map(|step| &step["replicas"]).collect();
    assert_eq!(replicas, [3, 1, 4, 6, 3, 3, 1, 4, 6, 3]);
    for set in ["ordered", "parallel"] {
        let mut zones = std::collections::BTreeMap::new();
        for step in steps.iter().filter(|step| step["statefulSet"] == set) {
            assert_eq!(step["pending"], 0, "{step:#}");
            let pods = step["pods"].as_array().unwrap();
            assert_eq!(pods.len() as u64, step["replicas"].as_u64().unwrap());
            let mut members = std::collections::BTreeMap::<&str, u64>::new();
            for pod in pods {
                let zone = pod["zone"].as_str().unwrap();
                let name = pod["name"].as_str().unwrap();
                assert_eq!(*zones.entry(name).or_insert(zone), zone, "{name} kept its zone");
                *members.entry(zone).or_default() += 1;
            }
            let most = members.into_values().max().unwrap();
            // An even number has no majority without half of its members.
            let limit = if pods.len() == 3 { 1 } else { 2 };
            assert!(most <= limit, "{set}: {step:#}");
        }
    }
}

#[test]
fn seven_hundred_and_fifty_shards_share_few_pairs_of_hosts_and_their_primaries_are_spread() {
    let report = simulate("vitess-750", &["--compare", "random"]);
    assert_eq!((&report["placed"], &report["pending"]), (&2250.into(), &0.into()));
    assert_eq!(report["quorumsLostByOneDomain"], 0);
    let any_lost = |of: &Value| of["risk"]["pAnyLostTwoHosts"].as_f64().unwrap();
    assert!(any_lost(&report) <= 0.02, "{:#}", report["risk"]);
    assert_eq!(report["primaries"]["total"], 750);
    assert!(report["primaries"]["max"].as_u64().unwrap() <= 5, "{:#}", report["primaries"]);
    let random = row(&report, "random");
    assert!(any_lost(random) > 0.09, "{:#}", random["risk"]);
    assert!(random["primaries"]["max"].as_u64().unwrap() >= 8, "{:#}", random["primaries"]);
}

#[test]
fn a_search_that_is_too_large_is_refused_in_one_line() {
    let arguments = ["simulate", "simulations/vitess-750", "--compare", "exact"];
    let output = quorate(&arguments);
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("exact: 2250 pods on 200 nodes are too many to search"), "{error}");
}
