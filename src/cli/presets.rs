//! `quorate presets`: what is known of each database operator's pods.

use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Subcommand;
use comfy_table::Table;
use serde::Serialize;

use super::{Output, new_table, print, print_json};
use crate::groups::admission::{Stamp, manifests};
use crate::groups::{CustomResource, Part, Preset, SchedulerField, VerifiedBy, built_in, file};
use crate::model::{LabelSelector, Str};
use crate::placement::ZONE;

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// How to print the list.
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    output: Output,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Prints the file of one preset.
    Show {
        /// The name in the list.
        name: String,
    },
    /// Prints admission policies that stamp our schedulerName on pods whose operators cannot set
    /// it, in namespaces with the label quorate.dev/schedule=enabled.
    Admission(AdmissionArgs),
}

#[derive(Debug, clap::Args)]
struct AdmissionArgs {
    /// The presets; without any, all whose operators cannot set schedulerName.
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// What to stamp: the schedulerName of a profile.
    #[arg(long, value_name = "NAME", default_value = "quorate")]
    scheduler_name: String,
    /// Stamp a spread constraint over these labels of nodes, too, so that cluster autoscalers see
    /// where a pod has to go [default of the flag: topology.kubernetes.io/zone].
    #[arg(long, value_name = "LABEL", num_args = 0..=1, require_equals = true,
        value_delimiter = ',', default_missing_value = ZONE)]
    with_spread: Vec<String>,
}

/// A preset in the list.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed<'a> {
    name: &'a str,
    title: &'a str,
    verified: VerifiedBy,
    /// The file that carries the labels, where one was rendered.
    #[serde(skip_serializing_if = "Option::is_none")]
    fixture: Option<&'a Str>,
    /// Where in the operator's source the labels are.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'a Str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'a Str>,
    parts: &'a [Part],
    scheduler_field: &'a SchedulerField,
    default_placement: &'a str,
    custom_resource: Option<&'a CustomResource>,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let presets = built_in()?;
    match (&args.command, args.output) {
        (Some(Command::Show { name }), _) => {
            let text = file(name).with_context(|| unknown(name))?;
            print(text)?;
        }
        (Some(Command::Admission(args)), _) => print(&admission(args, &presets)?)?,
        (None, Output::Json) => {
            print_json(&presets.iter().map(Listed::of).collect::<Vec<_>>())?;
        }
        (None, Output::Text) => print(&format!("{}\n", table(&presets).trim_fmt()))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn unknown(name: &str) -> String {
    format!("{name:?} is no preset; quorate presets lists them")
}

fn admission(args: &AdmissionArgs, presets: &[Preset]) -> anyhow::Result<String> {
    let stamp = stamp(args)?;
    let mut chosen = Vec::new();
    for name in &args.names {
        let preset = presets.iter().find(|preset| *preset.name == **name);
        chosen.push(preset.with_context(|| unknown(name))?);
    }
    if args.names.is_empty() {
        chosen.extend(presets.iter().filter(|preset| preset.scheduler.none));
    }
    let mut documents = Vec::new();
    for manifest in chosen.into_iter().flat_map(|preset| manifests(preset, &stamp)) {
        documents.push(serde_saphyr::to_string(&manifest)?);
    }
    Ok(documents.join("---\n"))
}

/// What to stamp, if the API server would take it.
fn stamp(args: &AdmissionArgs) -> anyhow::Result<Stamp> {
    let name = &*args.scheduler_name;
    let valid = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let (first, last) = (name.chars().next(), name.chars().next_back());
    if !name.chars().all(valid) || !ends(first) || !ends(last) || name.len() > 253 {
        bail!("--scheduler-name: {name:?} cannot be the name of a scheduler");
    }
    for key in &args.with_spread {
        let label = LabelSelector {
            match_labels: [(Str::from(&**key), Str::default())].into(),
            ..LabelSelector::default()
        };
        label.compile().context("--with-spread")?;
    }
    let spread = args.with_spread.iter().map(|key| Str::from(&**key)).collect();
    Ok(Stamp { scheduler_name: name.into(), spread })
}

fn table(presets: &[Preset]) -> Table {
    let mut table = new_table(&["preset", "operator", "groups", "verified", "schedulerName"], 0..0);
    for preset in presets {
        let parts: Vec<&str> = preset.parts.iter().map(|part| &*part.name).collect();
        table.add_row([
            preset.name.to_string(),
            preset.title.to_string(),
            parts.join(", "),
            verified(preset.verified.by).to_owned(),
            scheduler_field(&preset.scheduler),
        ]);
    }
    table
}

fn verified(by: VerifiedBy) -> &'static str {
    match by {
        VerifiedBy::Fixture => "fixture",
        VerifiedBy::Source => "source",
        VerifiedBy::None => "none",
    }
}

fn scheduler_field(field: &SchedulerField) -> String {
    let fields: Vec<&str> = field.field.iter().chain(&field.fields).map(|path| &**path).collect();
    match (field.none, fields.is_empty()) {
        (true, _) => "by admission".to_owned(),
        (false, true) => "-".to_owned(),
        (false, false) if fields.len() > 1 => format!("{}, …", fields[0]),
        (false, false) => fields[0].to_owned(),
    }
}

impl<'a> Listed<'a> {
    fn of(preset: &'a Preset) -> Self {
        Self {
            name: &preset.name,
            title: &preset.title,
            verified: preset.verified.by,
            fixture: preset.verified.fixture.as_ref(),
            source: preset.verified.source.as_ref(),
            note: preset.verified.note.as_ref(),
            parts: &preset.parts,
            scheduler_field: &preset.scheduler,
            default_placement: &preset.default_placement,
            custom_resource: preset.custom_resource.as_ref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Flags {
        #[command(flatten)]
        admission: AdmissionArgs,
    }

    const PRESETS: [(&str, &str); 2] = [("stamped", "{none: true}"), ("named", "{field: spec.x}")];

    fn presets() -> Vec<Preset> {
        let presets = PRESETS.map(|(name, scheduler)| {
            let text = format!(
                "name: {name}\ntitle: T\nparts:\n- {{name: db, cluster: app, rule: majority, \
                 why: w, \
                 match: {{matchLabels: {{app: {name}}}}}}}\nscheduler: {scheduler}\n\
                 defaultPlacement: none\nverified: {{by: source, source: here}}\n"
            );
            Preset::parse(name, &text).unwrap()
        });
        presets.into()
    }

    fn admit(arguments: &[&str]) -> anyhow::Result<String> {
        let arguments = ["quorate"].iter().chain(arguments);
        admission(&Flags::try_parse_from(arguments).unwrap().admission, &presets())
    }

    #[test]
    fn operators_that_can_set_the_name_are_stamped_where_they_are_named_only() {
        let names = |text: &str| text.matches("\n  name: quorate-").count();
        let all = admit(&[]).unwrap();
        assert_eq!((names(&all), all.contains("quorate-stamped-db")), (2, true));
        let named = admit(&["named", "--scheduler-name=db.x"]).unwrap();
        assert!(named.contains("quorate-named-db") && named.contains("'db.x'"), "{named}");
        assert!(!named.contains("DoNotSchedule"));
        for (flag, key) in [("--with-spread", ZONE), ("--with-spread=rack", "rack")] {
            let spread = admit(&[flag]).unwrap();
            let expected = format!("topologyKey: '{key}'");
            assert!(spread.replace("''", "'").contains(&expected), "{spread}");
        }
    }

    #[test]
    fn what_the_api_server_would_refuse_is_refused() {
        let check = |arguments: &[&str], expected: &str| {
            assert_eq!(format!("{:#}", admit(arguments).unwrap_err()), expected);
        };
        check(&["nobody"], "\"nobody\" is no preset; quorate presets lists them");
        let name = "--scheduler-name: \"it's\" cannot be the name of a scheduler";
        check(&["--scheduler-name=it's"], name);
        check(&["--with-spread=a b"], "--with-spread: \"a b\" is not a valid label key");
    }

    #[test]
    fn the_list_says_how_each_preset_was_verified() {
        let listed = presets();
        let listed = serde_json::to_value(Listed::of(&listed[1])).unwrap();
        let expected = serde_json::json!({"name": "named", "verified": "source", "source": "here"});
        for (field, value) in expected.as_object().unwrap() {
            assert_eq!(&listed[field], value, "{field}");
        }
        assert_eq!(listed["schedulerField"]["field"], "spec.x");
        assert_eq!(listed["parts"][0]["match"]["matchLabels"]["app"], "named");
        let text = table(&presets()).to_string();
        assert!(text.contains("by admission") && text.contains("spec.x"), "{text}");
    }
}
