//! A scheduler with a filter and a score of one's own, through the door for third parties.

use quorate::api::{Node, Pod};
use quorate::config::{PluginPoints, Point, load};
use quorate::framework::{
    ArgsError, Framework, NodePlugin, Normalize, Prepared, Ready, Registration, Status,
};
use quorate::snapshot::{NodeInfo, NodeRef, PodInfo, Snapshot, View};

/// Keeps pods off nodes that are about to be serviced, and prefers those serviced of late.
struct ServiceWindow;

impl NodePlugin for ServiceWindow {
    const NAME: &'static str = "ServiceWindow";
    const NORMALIZE: Normalize = Normalize::Max;
    type Args = ();
    type Pre = ();

    fn new((): ()) -> Result<Self, ArgsError> {
        Ok(Self)
    }

    fn prepare(&self, _pod: &PodInfo, _view: &View<'_>) -> Prepared<Ready<()>> {
        Prepared::Ready(Ready::new(()))
    }

    fn filter(&self, _pre: &(), node: NodeRef<'_>) -> Status {
        match node.labels().get("service") {
            Some(state) if &**state == "due" => Status::unresolvable("node(s) are due for service"),
            _ => Status::success(),
        }
    }

    fn score(&self, _pre: &(), node: NodeRef<'_>) -> i64 {
        i64::from(node.labels().contains_key("serviced-lately"))
    }
}

fn main() -> anyhow::Result<()> {
    let points = &[Point::Filter, Point::Score];
    let plugin = Registration::of_node_plugin::<ServiceWindow>("Service windows.", points, 1);
    let registry = quorate::plugins::registry().with(plugin);
    let catalog: Vec<PluginPoints> = registry.catalog();
    let file = "apiVersion: quorate.dev/v1alpha1\nkind: SchedulerConfiguration\n";
    let configuration = load(file, &catalog)?;
    let framework = Framework::new(&configuration.profiles[0], &registry)?;

    let mut snapshot = Snapshot::default();
    for (name, label) in [("n1", "service"), ("n2", "service")] {
        let text = format!(
            "{{metadata: {{name: {name}, labels: {{{label}: due}}}},
              status: {{allocatable: {{cpu: 4, memory: 8Gi, pods: 10}}}}}}"
        );
        snapshot.set_node(NodeInfo::new(&serde_saphyr::from_str::<Node>(&text)?));
    }
    let pod: Pod = serde_saphyr::from_str(
        "{metadata: {name: db-0, namespace: db, uid: db-0},
          spec: {containers: [{name: c, resources: {requests: {cpu: 1}}}]}}",
    )?;
    let (pod, view) = (PodInfo::new(&pod), snapshot.view());
    let filtered = framework.filter(&pod, &view)?;
    println!("{}", filtered.diagnosis.message());
    for (plugin, reason, nodes) in filtered.diagnosis.by_plugin() {
        println!("{plugin} refuses {nodes}: {reason}");
    }
    Ok(())
}
