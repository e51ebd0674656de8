//! ImageLocality: a pod starts faster where its images are already.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use crate::api::PodSpec;
use crate::config::{Base, Point};
use crate::framework::{
    Instance, Prepared, Registration, SCORE_MAX, Score, SetPlugin, decode_args,
};
use crate::snapshot::{NodeIndex, PodInfo, View};

pub const NAME: &str = "ImageLocality";

/// Images that are smaller all together are not worth a detour.
const SIZE_BYTES_MIN: i64 = 23 << 20;
/// Per image; what is larger counts no more.
const SIZE_BYTES_MAX: i64 = 1000 << 20;

pub const REGISTRATION: Registration = Registration {
    name: NAME,
    summary: "prefers nodes that already have the images of the pod",
    points: &[Point::Score],
    weight: 1,
    base: Base::Parity,
    build: |args| {
        decode_args::<()>(args)?;
        Ok(Instance::of_set(ImageLocality))
    },
};

#[derive(Debug)]
pub struct ImageLocality;

/// The images of a pod that some nodes have.
#[derive(Debug)]
struct ImageScore<'a> {
    /// What each image counts, and the nodes that have it.
    images: Vec<(i64, &'a [(NodeIndex, i64)])>,
    /// Where the score ends: this many bytes of images give the best score.
    bytes_max: i64,
    places: usize,
    nodes: &'a [NodeIndex],
}

impl SetPlugin for ImageLocality {
    fn prepare_score<'a>(
        &'a self,
        pod: &'a PodInfo,
        view: &'a View<'a>,
        nodes: &'a [NodeIndex],
    ) -> Prepared<Box<dyn Score + 'a>> {
        let table = view.nodes();
        let names = names_of(&pod.spec);
        let holders = names.iter().map(|name| table.with_image(name));
        let held: Vec<_> = holders.filter(|holders| !holders.is_empty()).collect();
        if held.is_empty() {
            return Prepared::Skip;
        }
        let all = table.present().len();
        Prepared::Ready(Box::new(ImageScore {
            images: held.into_iter().map(|holders| (spread_bytes(holders, all), holders)).collect(),
            bytes_max: i64::try_from(names.len())
                .unwrap_or(i64::MAX)
                .saturating_mul(SIZE_BYTES_MAX),
            places: table.places(),
            nodes,
        }))
    }
}

impl Score for ImageScore<'_> {
    fn score(&self, scores: &mut [i64]) {
        let mut bytes = vec![0_i64; self.places];
        for (counted, holders) in &self.images {
            for (node, _) in *holders {
                if let Some(sum) = bytes.get_mut(node.index()) {
                    *sum = sum.saturating_add(*counted);
                }
            }
        }
        for (score, node) in scores.iter_mut().zip(self.nodes) {
            let bytes = bytes.get(node.index()).copied().unwrap_or(0);
            if bytes > SIZE_BYTES_MIN {
                *score = self.score_of(bytes);
            }
        }
    }
}

impl ImageScore<'_> {
    fn score_of(&self, bytes: i64) -> i64 {
        let over = bytes.min(self.bytes_max) - SIZE_BYTES_MIN;
        over.saturating_mul(SCORE_MAX) / (self.bytes_max - SIZE_BYTES_MIN)
    }
}

/// The names of all images of a pod, one for each place where an image is used.
fn names_of(spec: &PodSpec) -> Vec<Cow<'_, str>> {
    let containers = spec.init_containers.iter().chain(&spec.containers);
    let volumes = spec.volumes.iter().filter_map(|volume| volume.image.as_ref());
    let names = containers.map(|container| &*container.image);
    let names = names.chain(volumes.map(|image| &*image.reference));
    names.map(with_tag).collect()
}

/// A name as nodes report it: where a tag is missing, it is the latest.
fn with_tag(name: &str) -> Cow<'_, str> {
    // A colon before the last slash belongs to the port of a registry.
    if name.rfind(':') > name.rfind('/') { name.into() } else { format!("{name}:latest").into() }
}

/// What an image counts: its size, the less the fewer nodes have it, so that the first node that
/// pulls an image does not draw all pods.
fn spread_bytes(holders: &[(NodeIndex, i64)], nodes: usize) -> i64 {
    // One image has one size; where nodes differ, the first one is believed.
    let size = holders.first().map_or(0, |(_, size)| *size);
    let spread = holders.len() as f64 / nodes as f64;
    (size as f64 * spread) as i64
}
