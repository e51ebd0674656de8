//! The rules of this room, as tables of input and expected answer.

use super::*;
use crate::api;
use crate::plugins::fixture::{self, Scored};
use crate::snapshot::Snapshot;
use crate::testing::{PodBuilder, node, pod};

const MIB: i64 = 1 << 20;

/// Ten nodes, of which the first ones have an image of this size.
fn cluster(image: &str, having: usize, size_bytes: i64) -> Snapshot {
    let nodes = (0..10).map(|n| {
        let images: &[&str] = if n < having { &[image] } else { &["other:1"] };
        node(&format!("n{n}")).image(images, size_bytes)
    });
    fixture::cluster(nodes, [])
}

fn scores(pod: PodBuilder, cluster: &Snapshot) -> Option<Vec<i64>> {
    match fixture::score(&ImageLocality, pod, cluster) {
        Scored::Scores { raw, normalized } if raw == normalized => Some(raw),
        Scored::Skipped => None,
        other => panic!("{other:?}"),
    }
}

#[test]
fn images_count_by_size_and_by_how_many_nodes_have_them() {
    let check = |having: usize, size_bytes: i64, expected: i64| {
        let scores = scores(pod("a").image("db:1"), &cluster("db:1", having, size_bytes));
        let expected = [vec![expected; having], vec![0; 10 - having]].concat();
        assert_eq!(scores, Some(expected), "{having} nodes, {size_bytes} bytes");
    };
    check(5, 500 * MIB, 23);
    check(10, 500 * MIB, 48);
    check(1, 500 * MIB, 2);
    check(10, 23 * MIB, 0);
    check(10, 32 * MIB, 0);
    check(10, 33 * MIB, 1);
    check(10, 999 * MIB, 99);
    check(10, 1000 * MIB, 100);
    check(10, 9000 * MIB, 100);
    check(10, i64::MAX, 100);
    check(10, -1, 0);
}

#[test]
fn every_use_of_an_image_counts_and_all_share_the_range() {
    let cluster = cluster("db:1", 10, 500 * MIB);
    let check = |pod: PodBuilder, expected: i64| {
        assert_eq!(scores(pod, &cluster), Some(vec![expected; 10]));
    };
    let init = api::Container { image: "db:1".into(), ..api::Container::default() };
    let volume = |reference: &str| api::Volume {
        image: Some(api::volume::ImageVolumeSource { reference: reference.into() }),
        ..api::Volume::default()
    };
    let both = || pod("a").image("db:1").image("none:1");
    check(both(), 100 * (500 - 23) / (2000 - 23));
    check(pod("a").image("db:1").image("db:1"), 100 * (1000 - 23) / (2000 - 23));
    check(both().init_container(init), 100 * (1000 - 23) / (3000 - 23));
    check(both().volume(volume("db:1")), 100 * (1000 - 23) / (3000 - 23));
    check(both().volume(volume("none:1")), 100 * (500 - 23) / (3000 - 23));
    check(both().volume(api::Volume::default()), 100 * (500 - 23) / (2000 - 23));
}

#[test]
fn pods_whose_images_are_nowhere_are_left_out() {
    let cluster = cluster("db:1", 5, 500 * MIB);
    assert_eq!(scores(pod("a"), &cluster), None);
    assert_eq!(scores(pod("a").image("db:2"), &cluster), None);
}

#[test]
fn a_name_without_a_tag_means_the_latest() {
    let check = |name: &str, expected: &str| assert_eq!(with_tag(name), expected);
    check("db", "db:latest");
    check("db:1", "db:1");
    check("registry:5000/db", "registry:5000/db:latest");
    check("registry:5000/db:1", "registry:5000/db:1");
    check("db@sha256:abc", "db@sha256:abc");
    check("", ":latest");
}

#[test]
fn nodes_that_left_neither_have_images_nor_count() {
    let mut cluster = cluster("db:1", 5, 500 * MIB);
    for node in 3..8 {
        cluster.remove_node(&format!("n{node}"));
    }
    // Three of five nodes have 500 MiB.
    let score = 100 * (300 - 23) / (1000 - 23);
    let expected = vec![score, score, score, 0, 0];
    assert_eq!(scores(pod("a").image("db:1"), &cluster), Some(expected));
}
