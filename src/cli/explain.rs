//! `quorate explain`: why a pod goes where it goes, or nowhere.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use comfy_table::ContentArrangement;

use super::cluster::{ClusterArgs, snapshot};
use super::{Output, TEXT_COLUMNS, new_table, print, print_json};
use crate::analysis::explain::{Best, Question, Report, explain};
use crate::api::{self, Objects};
use crate::config::{EffectiveConfiguration, EffectiveProfile};
use crate::framework::{Framework, Registry};
use crate::groups::built_in;
use crate::model::Str;
use crate::plugins::registry;
use crate::sim::admission::admit;
use crate::sim::expand::missing_pods;
use crate::snapshot::{Overlay, PodInfo};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The pod: its name, or NAMESPACE/NAME. It may stand on a node already, or be one that a
    /// controller has yet to create.
    pod: String,
    /// The pod's namespace; without it the pod is looked for in all.
    #[arg(long, short)]
    namespace: Option<String>,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// A configuration of ours or of kube-scheduler. The profile that the pod names answers, else
    /// the first.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How to print the result.
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    output: Output,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let registry = registry();
    let configuration = configuration(args, &registry)?;
    let mut objects = args.cluster.read()?;
    let missing = missing_pods(&mut objects)?;
    objects.pods.extend(missing);
    let (pods, classes) = (&mut objects.pods, &objects.priority_classes);
    pods.iter_mut().for_each(|pod| admit(pod, classes));
    let mut pod = find(&objects, &args.pod, args.namespace.as_deref())?.clone();
    let profile = profile(&configuration, &pod)?;
    let framework = Framework::new(profile, &registry)?;
    let presets = built_in()?;
    let snapshot = snapshot(&objects, &presets)?;
    let node = std::mem::take(&mut pod.spec.node_name);
    let removed = [PodInfo::of_object(&pod).uid].into();
    let view = snapshot.view_with(Overlay { removed, ..Overlay::default() });
    let report = explain(&Question {
        framework: &framework,
        profile,
        view: &view,
        pod: &pod,
        node: Some(&node).filter(|node| !node.is_empty()),
    })?;
    match args.output {
        Output::Json => print_json(&report)?,
        Output::Text => print(&text(&report))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn configuration(args: &Args, registry: &Registry) -> anyhow::Result<EffectiveConfiguration> {
    let catalog = registry.catalog();
    let Some(path) = &args.config else {
        return Ok(crate::config::resolve(&Default::default(), &catalog)?);
    };
    let name = || path.display().to_string();
    let text = std::fs::read_to_string(path).with_context(name)?;
    crate::config::load(&text, &catalog).with_context(name)
}

fn profile<'a>(
    configuration: &'a EffectiveConfiguration,
    pod: &api::Pod,
) -> anyhow::Result<&'a EffectiveProfile> {
    let profiles = &configuration.profiles;
    let named = profiles.iter().find(|one| one.scheduler_name == pod.spec.scheduler_name);
    named.or(profiles.first()).context("the configuration has no profile")
}

fn find<'a>(
    objects: &'a Objects,
    name: &str,
    namespace: Option<&str>,
) -> anyhow::Result<&'a api::Pod> {
    let (namespace, name) = match name.split_once('/') {
        Some((namespace, name)) => (Some(namespace), name),
        None => (namespace, name),
    };
    let of_name = objects.pods.iter().filter(|pod| {
        let meta = &pod.metadata;
        *meta.name == *name && namespace.is_none_or(|namespace| *meta.namespace == *namespace)
    });
    match of_name.collect::<Vec<_>>().as_slice() {
        [only] => Ok(only),
        [] => bail!("POD: {name:?}: expected the name of a pod of this cluster"),
        several => {
            let found: Vec<Str> =
                several.iter().map(|pod| pod.metadata.namespace.clone()).collect();
            bail!("POD: {name:?}: name its --namespace, one of {}", found.join(", "))
        }
    }
}

fn text(report: &Report) -> String {
    let stands = report.node.as_ref().map_or_else(
        || "waits for a node".to_owned(),
        |node| format!("stands on {node}; asked where it would go now"),
    );
    let mut text = format!(
        "{}/{} {stands}\nprofile {}; it fits on {} of {} nodes\n",
        report.namespace, report.pod, report.profile, report.feasible, report.nodes
    );
    if !report.groups.is_empty() {
        text += &format!("member of {}\n", report.groups.join(", "));
    }
    if !report.stages.is_empty() {
        text += &format!("\n{}\n", stages_table(report));
    }
    if !report.best.is_empty() {
        text += &format!("\n{}\n", best_table(&report.best));
    }
    if !report.unblock.is_empty() {
        text += "\nWhat would unblock it, the smallest change first:\n";
        for change in &report.unblock {
            text += &format!("  {} ({} nodes would fit)\n", change.change, change.nodes);
        }
    }
    text
}

fn stages_table(report: &Report) -> String {
    let header = ["refused by", "nodes", "fit without it", "because"];
    let mut table = new_table(&header, 1..3);
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(TEXT_COLUMNS);
    for stage in &report.stages {
        let reasons = stage.reasons.iter().map(|one| format!("{} {}", one.nodes, one.reason));
        table.add_row([
            stage.plugin.to_string(),
            stage.refused.to_string(),
            stage.fit_without.to_string(),
            reasons.collect::<Vec<_>>().join("\n"),
        ]);
    }
    table.trim_fmt()
}

fn best_table(best: &[Best]) -> String {
    let mut table = new_table(&["best nodes", "total", "of which"], 1..2);
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(TEXT_COLUMNS);
    for best in best {
        let scores = best.scores.iter().filter(|(_, score)| **score != 0);
        let scores = scores.map(|(plugin, score)| format!("{plugin} {score}"));
        table.add_row([
            best.node.to_string(),
            best.total.to_string(),
            scores.collect::<Vec<_>>().join(", "),
        ]);
    }
    table.trim_fmt()
}
