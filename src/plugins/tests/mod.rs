//! Tests of the table of plugins, and what the tests of all plugins share.

pub mod fixture;

use super::registry;
use crate::config::Point;

#[test]
fn every_plugin_can_be_built_without_arguments_and_has_what_its_points_say() {
    for plugin in registry().iter() {
        let built = (plugin.build)(&serde_json::Value::Null);
        let built = built.unwrap_or_else(|error| panic!("{}: {error}", plugin.name));
        for point in plugin.points {
            let there = match point {
                Point::PreEnqueue => built.pre_enqueue.is_some(),
                Point::QueueSort => built.queue_sort.is_some(),
                Point::Filter | Point::Score => built.set.is_some(),
                Point::Reserve => built.reserve.is_some(),
                Point::PreBind => built.pre_bind.is_some(),
                Point::Bind => built.bind.is_some(),
            };
            assert!(there, "{} at {point:?}", plugin.name);
        }
        let scores = plugin.points.contains(&Point::Score);
        assert_eq!(plugin.weight > 0, scores, "{}", plugin.name);
    }
}

#[test]
fn every_plugin_has_a_page_of_docs_and_a_name_of_its_own() {
    let mut names: Vec<&str> = registry().iter().map(|plugin| plugin.name).collect();
    let plugins = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), plugins);
    let folders = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/plugins"));
    let folders = folders.unwrap().map(|entry| entry.unwrap().path());
    let folders: Vec<_> =
        folders.filter(|path| path.is_dir() && !path.ends_with("tests")).collect();
    assert_eq!(folders.len(), plugins, "a folder for each line of the table");
    for folder in folders {
        let page = std::fs::read_to_string(folder.join("README.md"));
        let page = page.unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        assert!(names.iter().any(|name| page.starts_with(&format!("# {name}\n"))), "{page}");
    }
}
