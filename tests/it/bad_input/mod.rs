//! Hostile and broken input. The cases are data, in `tests/bad-input`; each goes through two doors:
//! files, and what a watch shows. `CONTRIBUTING.md` says how to add one.

mod case;
mod generate;
mod offline;
mod plugins;
mod port;
#[cfg(feature = "kubernetes")]
mod served;

use std::any::Any;
use std::collections::BTreeSet;

use case::{Case, GROUPS, cases, read};

/// A reason is an event's text.
const REASON_BYTES_MAX: usize = 32 << 10;

/// Checks all cases of a group and tells of all that fail.
fn check_all(group: &str, check: impl Fn(usize, &Case) -> Result<(), String>) {
    let cases = cases(group);
    let failures: Vec<String> = cases
        .iter()
        .enumerate()
        .filter_map(|(number, case)| {
            let failure = check(number, case).err()?;
            Some(format!("{group}: {}: {failure}", case.name))
        })
        .collect();
    let (failed, all) = (failures.len(), cases.len());
    assert!(failures.is_empty(), "{failed} of {all} cases fail:\n{}", failures.join("\n"));
}

#[test]
fn there_are_more_than_two_hundred_cases_and_each_has_a_name_of_its_own() {
    let groups = GROUPS.iter().chain(&["config"]);
    let names: Vec<String> = groups.flat_map(|group| cases(group)).map(|case| case.name).collect();
    assert!(names.len() > 250, "{}", names.len());
    let different: BTreeSet<&String> = names.iter().collect();
    assert_eq!(different.len(), names.len());
}

#[test]
fn files_of_bad_quantities_are_refused_or_placed_with_a_clear_word() {
    check_all("quantities", |number, case| offline::check("quantities", number, case));
}

#[test]
fn files_of_bad_resources_are_refused_or_placed_with_a_clear_word() {
    check_all("resources", |number, case| offline::check("resources", number, case));
}

#[test]
fn files_of_bad_labels_are_refused_or_placed_with_a_clear_word() {
    check_all("labels", |number, case| offline::check("labels", number, case));
}

#[test]
fn files_of_bad_affinity_are_refused_or_placed_with_a_clear_word() {
    check_all("affinity", |number, case| offline::check("affinity", number, case));
}

#[test]
fn files_of_bad_topology_are_refused_or_placed_with_a_clear_word() {
    check_all("topology", |number, case| offline::check("topology", number, case));
}

#[test]
fn files_of_bad_groups_are_refused_or_placed_with_a_clear_word() {
    check_all("groups", |number, case| offline::check("groups", number, case));
}

#[test]
fn files_of_bad_clusters_are_refused_or_placed_with_a_clear_word() {
    check_all("cluster", |number, case| offline::check("cluster", number, case));
}

#[test]
fn files_of_bad_pods_are_refused_or_placed_with_a_clear_word() {
    check_all("pods", |number, case| offline::check("pods", number, case));
}

#[test]
fn files_of_bad_volumes_are_refused_or_placed_with_a_clear_word() {
    check_all("volumes", |number, case| offline::check("volumes", number, case));
}

#[test]
fn bad_configurations_and_experiments_are_refused_with_a_clear_word() {
    check_all("config", |number, case| offline::check("config", number, case));
}

#[test]
fn the_program_ends_with_2_and_one_line_or_goes_on() {
    for group in GROUPS.iter().chain(&["config"]) {
        check_all(group, |number, case| match number % 16 {
            3 => offline::check_program(group, 1000 + number, case),
            _ => Ok(()),
        });
    }
}

#[test]
fn a_watch_of_bad_quantities_and_groups_hurts_nobody_else_and_costs_little() {
    check_all("quantities", |_, case| port::check(case));
    check_all("groups", |_, case| port::check(case));
}

#[test]
fn a_watch_of_bad_resources_and_pods_hurts_nobody_else_and_costs_little() {
    check_all("resources", |_, case| port::check(case));
    check_all("pods", |_, case| port::check(case));
}

#[test]
fn a_watch_of_bad_labels_volumes_and_clusters_hurts_nobody_else_and_costs_little() {
    check_all("labels", |_, case| port::check(case));
    check_all("volumes", |_, case| port::check(case));
    check_all("cluster", |_, case| port::check(case));
}

#[test]
fn a_watch_of_bad_affinity_and_topology_hurts_nobody_else_and_costs_little() {
    check_all("affinity", |_, case| port::check(case));
    check_all("topology", |_, case| port::check(case));
}

#[test]
fn plugins_that_misbehave_towards_a_pod_hurt_no_other() {
    let cases: Vec<plugins::PluginCase> = read("plugins");
    assert!(cases.len() > 20);
    let failures: Vec<String> = cases
        .iter()
        .filter_map(|case| Some(format!("{}: {}", case.name, plugins::check(case).err()?)))
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Whether one of the reasons contains this, and all of them can be shown to people.
fn check_reason<'a>(reasons: impl Iterator<Item = &'a str>, part: &str) -> Result<(), String> {
    let reasons: Vec<&str> = reasons.collect();
    if let Some(reason) = reasons.iter().find(|reason| reason.len() > REASON_BYTES_MAX) {
        return Err(format!("a reason of {} bytes: {reason:.200}", reason.len()));
    }
    match reasons.iter().any(|reason| reason.contains(part)) {
        true => Ok(()),
        false => Err(format!("no reason contains {part:?}: {reasons:.600?}")),
    }
}

fn text_of_panic(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "with something that is no text".to_owned())
}
