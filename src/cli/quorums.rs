//! What a simulation says of quorums: whose hang on one failure domain, whoever placed them.

use std::collections::BTreeSet;

use comfy_table::Table;

use super::new_table;
use crate::model::Str;
use crate::sim::compare::Comparison;
use crate::sim::report::Report;

/// How many groups the text shows.
const GROUPS_SHOWN_MAX: usize = 20;

/// Tables of those who placed the pods, and of the groups whose quorum hangs on one domain.
pub fn text(report: &Report) -> String {
    let rows = &report.compare;
    if rows.iter().all(|row| row.databases.risk.groups == 0) {
        return String::new();
    }
    let mut text = format!(
        "\nQuorums that the loss of one host, rack or zone takes, by who placed the \
         members:\n\n{}\n",
        placers_table(rows).trim_fmt()
    );
    let hanging: BTreeSet<&Str> =
        rows.iter().flat_map(|row| row.databases.lost.iter().map(|lost| &lost.group)).collect();
    if !hanging.is_empty() {
        text += &format!("\n{}\n", groups_table(rows, &hanging).trim_fmt());
        let more = hanging.len().saturating_sub(GROUPS_SHOWN_MAX);
        if more > 0 {
            text += &format!("… and {more} more; --output json has them all.\n");
        }
    }
    text + &infeasible(report)
}

fn placers_table(rows: &[Comparison]) -> Table {
    let header = [
        "placed by",
        "placed",
        "pending",
        "quorums lost by one domain",
        "any lost by two hosts",
        "primaries on one host",
    ];
    let mut table = new_table(&header, 1..6);
    for row in rows {
        let databases = &row.databases;
        table.add_row([
            row.profile.name().to_owned(),
            row.placed.to_string(),
            row.pending.to_string(),
            databases.quorums_lost_by_one_domain.to_string(),
            format!("{:.2} %", 100.0 * databases.risk.p_any_lost_two_hosts),
            match databases.primaries.total {
                0 => "-".to_owned(),
                _ => databases.primaries.max.to_string(),
            },
        ]);
    }
    table
}

/// For each group the domains that take its quorum.
fn groups_table(rows: &[Comparison], hanging: &BTreeSet<&Str>) -> Table {
    let names = rows.iter().map(|row| row.profile.name());
    let header: Vec<&str> = std::iter::once("quorum lost by").chain(names).collect();
    let mut table = new_table(&header, 0..0);
    for group in hanging.iter().take(GROUPS_SHOWN_MAX) {
        let cells = rows.iter().map(|row| {
            let lost = row.databases.lost.iter().filter(|lost| lost.group == **group);
            let domains: Vec<&str> = lost.map(|lost| &*lost.domain).collect();
            if domains.is_empty() { "-".to_owned() } else { domains.join(", ") }
        });
        table.add_row(std::iter::once(group.to_string()).chain(cells));
    }
    table
}

/// What no placement on these nodes could keep.
fn infeasible(report: &Report) -> String {
    let all = report.databases.degraded.iter().filter(|degraded| !degraded.feasible);
    let lines: Vec<String> = all
        .map(|degraded| {
            let level = degraded.level.rsplit('/').next().unwrap_or(&degraded.level);
            format!("  {}: too few domains of {level}\n", degraded.group)
        })
        .collect();
    if lines.is_empty() {
        return String::new();
    }
    let more = match lines.len().saturating_sub(GROUPS_SHOWN_MAX) {
        0 => String::new(),
        more => format!("  … and {more} more; --output json has them all.\n"),
    };
    let shown: String = lines.into_iter().take(GROUPS_SHOWN_MAX).collect();
    format!("\nInfeasible, wherever the members go:\n\n{shown}{more}")
}
