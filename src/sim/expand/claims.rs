//! The claims that controllers make: of StatefulSets for each pod, and for one pod alone.

use std::collections::BTreeSet;

use super::ordinals;
use crate::api::decode::Objects;
use crate::api::storage::{ClaimTemplate, PersistentVolumeClaimStatus};
use crate::api::{self, Object, ObjectMeta, OwnerReference};
use crate::model::{Labels, PodKey, Str};

/// The claims that the pods of StatefulSets lack, as far as they have no node yet.
pub(super) fn missing(objects: &Objects) -> Vec<api::PersistentVolumeClaim> {
    let known: BTreeSet<PodKey> =
        objects.persistent_volume_claims.iter().map(Object::key).collect();
    let on_nodes = objects.pods.iter().filter(|pod| !pod.spec.node_name.is_empty());
    let placed: BTreeSet<PodKey> =
        on_nodes.filter(|pod| !pod.is_terminal()).map(Object::key).collect();
    let mut claims = Vec::new();
    for set in &objects.stateful_sets {
        let meta = &set.metadata;
        let pods = ordinals(set).map(|ordinal| format!("{}-{ordinal}", meta.name));
        let pods = pods.map(|name| PodKey::new(meta.namespace.clone(), name));
        for pod in pods.filter(|pod| !placed.contains(pod)) {
            let templates = set.spec.volume_claim_templates.iter();
            claims.extend(templates.map(|template| claim_of_set(set, template, &pod)));
        }
    }
    claims.retain(|claim| !known.contains(&claim.key()));
    claims
}

/// The claims of volumes that a pod has for itself alone. They go with the pod.
pub fn ephemeral_claims(pod: &api::Pod) -> Vec<api::PersistentVolumeClaim> {
    let owner = OwnerReference {
        api_version: "v1".into(),
        kind: api::Pod::KIND.into(),
        name: pod.metadata.name.clone(),
        uid: pod.metadata.uid.clone(),
        controller: Some(true),
    };
    let templates = pod.spec.volumes.iter().filter_map(|volume| {
        Some((&volume.name, volume.ephemeral.as_ref()?.volume_claim_template.as_ref()?))
    });
    let claims = templates.map(|(volume, template)| {
        let key =
            PodKey::new(pod.metadata.namespace.clone(), format!("{}-{volume}", pod.metadata.name));
        let mut claim = claim(template, key);
        claim.metadata.owner_references = vec![owner.clone()];
        claim
    });
    claims.collect()
}

/// Each claim template becomes a claim of the pod, under a volume of the template's name.
pub(super) fn mount_claims(pod: &mut api::Pod, templates: &[ClaimTemplate]) {
    for template in templates {
        let name = template.metadata.name.clone();
        pod.spec.volumes.retain(|volume| volume.name != name);
        let claim_name = claim_name(template, &pod.metadata.name);
        pod.spec.volumes.push(api::Volume {
            name,
            persistent_volume_claim: Some(api::volume::PersistentVolumeClaimSource { claim_name }),
            ..api::Volume::default()
        });
    }
}

fn claim_name(template: &ClaimTemplate, pod: &str) -> Str {
    format!("{}-{pod}", template.metadata.name).into()
}

/// The set's own labels win over those of the template.
fn claim_of_set(
    set: &api::StatefulSet,
    template: &ClaimTemplate,
    pod: &PodKey,
) -> api::PersistentVolumeClaim {
    let key = PodKey::new(pod.namespace.clone(), claim_name(template, &pod.name));
    let mut claim = claim(template, key);
    let selector = set.spec.selector.as_ref();
    let labels = selector.into_iter().flat_map(|selector| &selector.match_labels);
    let old = claim.metadata.labels.iter().map(|(key, value)| (key.clone(), value.clone()));
    let new = labels.map(|(key, value)| (key.clone(), value.clone()));
    claim.metadata.labels = old.chain(new).collect::<Labels>();
    claim
}

fn claim(template: &ClaimTemplate, key: PodKey) -> api::PersistentVolumeClaim {
    api::PersistentVolumeClaim {
        metadata: ObjectMeta {
            name: key.name,
            namespace: key.namespace,
            labels: template.metadata.labels.clone(),
            annotations: template.metadata.annotations.clone(),
            ..ObjectMeta::default()
        },
        spec: template.spec.clone(),
        status: PersistentVolumeClaimStatus { phase: "Pending".into() },
    }
}
