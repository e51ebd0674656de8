//! Plugins of somebody else that misbehave towards one pod, as a case orders them to.

use std::collections::BTreeSet;
use std::panic::panic_any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use quorate::config::{Base, Point, load};
use quorate::framework::{
    BindPlugin, Binding, ClusterEvent, Code, Filter, Hint, Instance, PreEnqueuePlugin, Prepared,
    QueueSortPlugin, ReadyFilter, Refusals, Registration, Registry, Score, SetPlugin, Status,
    decode_args,
};
use quorate::model::{Instant, Str};
use quorate::plugins::registry;
use quorate::snapshot::{NodeIndex, NodeSet, PodInfo, View};
use serde::Deserialize;
use serde_json::Value;

use super::case::{Case, Expected};
use super::port;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PluginCase {
    pub name: String,
    pub behaviour: Value,
    pub expect: Expected,
}

/// What is done to the pod called odd.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct Behaviour {
    score: Option<i64>,
    normalized: Option<i64>,
    /// The stage that panics, and the text of the panic.
    panics: Option<String>,
    refuses: Option<Str>,
    code: Option<Code>,
    silent: bool,
    narrows: Option<BTreeSet<Str>>,
    flips: bool,
    stalls_milliseconds: u64,
    sort: Option<String>,
    bind: Option<String>,
}

struct Odd {
    behaviour: Behaviour,
    calls: AtomicU64,
}

struct OddStage<'a>(&'a Odd);

const REGISTRATIONS: [Registration; 3] = [
    Registration {
        name: "Odd",
        summary: "does as it is told",
        points: &[Point::PreEnqueue, Point::Filter, Point::Score],
        weight: 1,
        base: Base::Parity,
        build: |args| {
            let odd = Arc::new(Odd::new(args)?);
            Ok(Instance { set: Some(odd.clone()), pre_enqueue: Some(odd), ..Instance::default() })
        },
    },
    Registration {
        name: "OddSort",
        summary: "sorts as it is told",
        points: &[Point::QueueSort],
        weight: 0,
        base: Base::Parity,
        build: |args| {
            let odd = Arc::new(Odd::new(args)?);
            Ok(Instance { queue_sort: Some(odd), ..Instance::default() })
        },
    },
    Registration {
        name: "OddBind",
        summary: "binds as it is told",
        points: &[Point::Bind],
        weight: 0,
        base: Base::Parity,
        build: |args| {
            let odd = Arc::new(Odd::new(args)?);
            Ok(Instance { bind: Some(odd), ..Instance::default() })
        },
    },
];

/// Runs a case with its plugins and tells what is wrong, if anything is.
pub fn check(case: &PluginCase) -> Result<(), String> {
    let behaviour: Behaviour = serde_json::from_value(case.behaviour.clone()).unwrap();
    let [set, sort, bind] = REGISTRATIONS;
    let mut plugins = registry().with(set);
    let mut lists = String::new();
    if behaviour.sort.is_some() {
        plugins = plugins.with(sort);
        lists += "queueSort: { disabled: [{ name: PrioritySort }] }, ";
    }
    if behaviour.bind.is_some() {
        plugins = plugins.with(bind);
        lists += "bind: { disabled: [{ name: DefaultBinder }] }, ";
    }
    let args = ["Odd", "OddSort", "OddBind"].into_iter();
    let args = args.filter(|name| plugins.find(name).is_some());
    let args: Vec<_> =
        args.map(|name| format!("{{ name: {name}, args: {} }}", case.behaviour)).collect();
    let config = format!(
        "apiVersion: quorate.dev/v1alpha1\nkind: SchedulerConfiguration\nprofiles: \
         [{{ plugins: {{ {lists} }}, pluginConfig: [{}] }}]",
        args.join(", "),
    );
    check_with(case, &plugins, &config)
}

fn check_with(case: &PluginCase, plugins: &Registry, config: &str) -> Result<(), String> {
    let configuration = load(config, &plugins.catalog()).map_err(|e| format!("{e}: {config}"))?;
    let usual = Case::plain(&case.name, case.expect.clone());
    port::check_with(&usual, &usual.input(), &configuration, plugins)
}

impl Odd {
    fn new(args: &Value) -> Result<Self, quorate::framework::ArgsError> {
        Ok(Self { behaviour: decode_args(args)?, calls: AtomicU64::new(0) })
    }

    fn stage(&self, name: &str) {
        if let Some(text) = self.behaviour.panics.as_ref() {
            let here = match text.as_str() {
                "silently" => name == "filter",
                text if text.starts_with('\u{1b}') => name == "filter",
                text => name == text,
            };
            match text.as_str() {
                _ if !here => {}
                "silently" => panic_any(7),
                text => panic!("{text}"),
            }
        }
    }

    /// Counts the calls, from 1.
    fn call(&self) -> u64 {
        self.calls.fetch_add(1, Ordering::Relaxed) + 1
    }
}

fn is_odd(pod: &PodInfo) -> bool {
    &*pod.key.name == "odd"
}

impl SetPlugin for Odd {
    fn prepare_filter<'a>(
        &'a self,
        pod: &'a PodInfo,
        _: &'a View<'a>,
    ) -> Prepared<ReadyFilter<'a>> {
        if !is_odd(pod) {
            return Prepared::Skip;
        }
        self.stage("prepareFilter");
        let narrowed = self.behaviour.narrows.clone();
        Prepared::Ready(ReadyFilter { filter: Box::new(OddStage(self)), narrowed })
    }

    fn prepare_score<'a>(
        &'a self,
        pod: &'a PodInfo,
        _: &'a View<'a>,
        _: &'a [NodeIndex],
    ) -> Prepared<Box<dyn Score + 'a>> {
        if !is_odd(pod) {
            return Prepared::Skip;
        }
        self.stage("prepareScore");
        Prepared::Ready(Box::new(OddStage(self)))
    }

    fn hint(&self, pod: &PodInfo, _: &ClusterEvent<'_>) -> Hint {
        if is_odd(pod) {
            self.stage("hint");
        }
        Hint::Queue
    }
}

impl Filter for OddStage<'_> {
    fn filter(&self, nodes: &NodeSet, refusals: &mut Refusals) {
        let odd = self.0;
        let behaviour = &odd.behaviour;
        odd.stage("filter");
        std::thread::sleep(Duration::from_millis(behaviour.stalls_milliseconds));
        if let Some(reason) = &behaviour.refuses {
            refusals.refuse_set(nodes, Status::unschedulable(reason.clone()));
        }
        if let Some(code) = behaviour.code {
            let reasons = if behaviour.silent { Vec::new() } else { vec!["as told".into()] };
            refusals.refuse_set(nodes, Status { code, reasons });
        }
        if behaviour.flips && odd.call() % 2 == 1 {
            let half = nodes.iter().step_by(2);
            refusals.refuse_all(half, Status::unschedulable("every other"));
        }
    }
}

impl Score for OddStage<'_> {
    fn score(&self, scores: &mut [i64]) {
        self.0.stage("score");
        scores.fill(self.0.behaviour.score.unwrap_or(0));
    }

    fn normalize(&self, scores: &mut [i64]) {
        self.0.stage("normalize");
        if let Some(score) = self.0.behaviour.normalized {
            scores.fill(score);
        }
    }
}

impl PreEnqueuePlugin for Odd {
    fn pre_enqueue(&self, pod: &PodInfo) -> Status {
        if is_odd(pod) {
            self.stage("preEnqueue");
        }
        Status::success()
    }
}

impl QueueSortPlugin for Odd {
    fn key(&self, pod: &PodInfo, since: Instant) -> (i64, u64) {
        match self.behaviour.sort.as_deref() {
            Some("panics") if is_odd(pod) => panic!("sort"),
            Some("wanders") => (self.call().wrapping_mul(0x9e37_79b9_7f4a_7c15) as i64, since.0),
            _ => (0, since.0),
        }
    }
}

impl BindPlugin for Odd {
    fn binding(&self, pod: &PodInfo, node: &Str) -> Binding {
        let mut binding = Binding {
            uid: pod.uid.clone(),
            resource_version: pod.resource_version.clone(),
            node: node.clone(),
        };
        match self.behaviour.bind.as_deref().filter(|_| is_odd(pod)) {
            Some("panics") => panic!("bind"),
            Some("uid") => binding.uid = "of-somebody-else".into(),
            Some("version") => binding.resource_version = "1".into(),
            _ => {}
        }
        binding
    }
}
