//! `quorate audit`: which single failure takes which quorum.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width};

use super::cluster::{ClusterArgs, snapshot};
use super::{FOUND, Output, TEXT_COLUMNS, new_table, print, print_json};
use crate::analysis::audit::{
    Finding, GroupReport, IfLost, LevelReport, Loss, Question, Report, audit,
};
use crate::groups::built_in;
use crate::model::Str;
use crate::placement::{HOST, RACK, ZONE};
use crate::sim::infrastructure::read_topology;

/// So many rows of a table stand in the text.
const ROWS_SHOWN_MAX: usize = 20;

/// The levels that the table of groups shows.
const LEVELS_SHOWN: [(&str, &str); 3] = [("host", HOST), ("rack", RACK), ("zone", ZONE)];

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Levels, feeds, switches and what hangs on them: a file of kind Infrastructure.
    #[arg(long, value_name = "FILE")]
    infrastructure: Option<PathBuf>,
    /// What would be lost at once: node=x, rack=zone-a/rack-1, zone=y, region=z, any label
    /// KEY=VALUE of nodes, or the name of a declared domain.
    #[arg(long, value_delimiter = ',', value_name = "WHAT")]
    if_lost: Vec<String>,
    /// Where the chance of sampled figures comes from.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How to print the result.
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    output: Output,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let lost: Result<Vec<Loss>, _> = args.if_lost.iter().map(|text| text.parse()).collect();
    let lost = lost.context("--if-lost")?;
    let objects = args.cluster.read()?;
    let presets = built_in()?;
    let snapshot = snapshot(&objects, &presets)?;
    let view = snapshot.view();
    let topology = read_topology(args.infrastructure.as_deref(), &view)?;
    let report = audit(&Question {
        view: &view,
        topology: &topology,
        presets: &presets,
        budgets: &objects.pod_disruption_budgets,
        lost: &lost,
        seed: args.seed,
    })
    .context("--if-lost")?;
    match args.output {
        Output::Json => print_json(&report)?,
        Output::Text => print(&text(&report))?,
    }
    Ok(if report.hangs_on_one_domain() { ExitCode::from(FOUND) } else { ExitCode::SUCCESS })
}

fn text(report: &Report) -> String {
    let mut text = summary(report);
    if let Some(if_lost) = &report.if_lost {
        text += &if_lost_text(if_lost);
    }
    if !report.findings.is_empty() {
        text += &format!("\n{}\n", findings_table(&report.findings).trim_fmt());
        text += &more(report.findings.len());
    }
    if !report.groups.is_empty() {
        text += &format!(
            "\nThe most voters in one domain. > : more than the domain may have; * : no placement \
             could do better\n\n{}\n",
            groups_table(&report.groups).trim_fmt()
        );
        text += &more(report.groups.len());
    }
    text
}

fn summary(report: &Report) -> String {
    let summary = &report.summary;
    let short = |key: &Str| key.rsplit('/').next().unwrap_or_default().to_owned();
    let levels = report.levels.iter();
    let levels = levels.map(|level| format!("{} by {}", level.domains, short(&level.key)));
    let levels: Vec<String> = levels.collect();
    let mut text = format!(
        "{} nodes, {} pods, {} replica groups ({} by a guessed rule)\nfailure domains: {}\n",
        summary.nodes,
        summary.pods,
        summary.groups,
        summary.guessed,
        if levels.is_empty() { "none known".to_owned() } else { levels.join(", ") },
    );
    text += &match summary.lost_by_one_domain {
        0 => "No quorum hangs on one domain.\n".to_owned(),
        1 => "1 quorum hangs on one domain.\n".to_owned(),
        groups => format!("{groups} quorums hang on one domain each.\n"),
    };
    let (risk, primaries) = (&report.risk, &report.primaries);
    text += &format!(
        "Of two random hosts lost: {:.4} quorums gone on average; some quorum gone in {:.2} %.\n",
        risk.expected_lost_two_hosts,
        risk.p_any_lost_two_hosts * 100.0,
    );
    text + &format!(
        "Primaries: {}, at most {} on one host, {} if spread evenly.\n",
        primaries.total, primaries.max, primaries.ideal,
    )
}

fn if_lost_text(if_lost: &IfLost) -> String {
    let lost = if_lost.lost.join(", ");
    let groups = &if_lost.groups;
    let mut text =
        format!("\nWithout {lost} ({} hosts): {} quorums are lost.\n", if_lost.hosts, groups.len());
    for group in groups.iter().take(ROWS_SHOWN_MAX) {
        text += &format!(
            "  {} loses {} of {} voters, {} may be gone\n",
            group.group, group.lost, group.placed, group.tolerance
        );
    }
    text + &more(groups.len())
}

fn findings_table(findings: &[Finding]) -> Table {
    let mut table = new_table(&["severity", "group", "finding, and what to do"], 0..0);
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(TEXT_COLUMNS);
    if let Some(column) = table.column_mut(1) {
        column.set_constraint(ColumnConstraint::UpperBoundary(Width::Fixed(30)));
    }
    for finding in findings.iter().take(ROWS_SHOWN_MAX) {
        table.add_row([
            format!("{:?}", finding.severity).to_lowercase(),
            finding.group.clone().unwrap_or_else(|| "-".to_owned()),
            format!("{}\n→ {}", finding.text, finding.remedy),
        ]);
    }
    table
}

fn groups_table(groups: &[GroupReport]) -> Table {
    let mut header = vec!["group", "preset", "size", "may go"];
    header.extend(LEVELS_SHOWN.iter().map(|(name, _)| *name));
    header.push("lost with");
    let mut table = new_table(&header, 2..7);
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(TEXT_COLUMNS);
    let mut worst: Vec<&GroupReport> = groups.iter().collect();
    worst.sort_by_key(|group| std::cmp::Reverse(lost_with(group).len()));
    for group in worst.into_iter().take(ROWS_SHOWN_MAX) {
        let name = [&group.namespace, &group.cluster, &group.part].map(|part| &**part);
        let name: Vec<&str> = name.into_iter().filter(|part| !part.is_empty()).collect();
        let mut row = vec![
            name.join("/"),
            group.preset.clone().unwrap_or_else(|| "-".into()).to_string(),
            format!("{}/{}", group.placed, group.size),
            group.tolerance.to_string(),
        ];
        row.extend(LEVELS_SHOWN.iter().map(|(_, key)| {
            let level = group.levels.iter().find(|level| &*level.key == *key);
            level.map_or_else(|| "-".to_owned(), level_cell)
        }));
        row.push(lost_with(group).join(", "));
        table.add_row(row);
    }
    table
}

/// `1`, `2 > 1` where there are more than the level allows, `2 *` where no placement has fewer.
fn level_cell(level: &LevelReport) -> String {
    if level.max_members > level.allowed {
        format!("{} > {}", level.max_members, level.allowed)
    } else if level.feasible {
        level.max_members.to_string()
    } else {
        format!("{} *", level.max_members)
    }
}

/// The domains that take the group's quorum, where its level has several.
fn lost_with(group: &GroupReport) -> Vec<String> {
    let levels = group.levels.iter().filter(|level| level.domains > 1);
    let domains = levels.flat_map(|level| &level.lost_by).chain(&group.lost_by_declared);
    domains.map(Str::to_string).collect()
}

fn more(rows: usize) -> String {
    match rows.saturating_sub(ROWS_SHOWN_MAX) {
        0 => String::new(),
        more => format!("… and {more} more; --output json has them all.\n"),
    }
}
