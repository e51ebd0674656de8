//! The rules of this room, as tables of input and expected answer.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

/// A folder of its own for a test, which goes away with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("quorate-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn pod(name: &str) -> String {
    format!("apiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\n")
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn names(objects: &Objects) -> Vec<&str> {
    objects.pods.iter().map(|pod| &*pod.metadata.name).collect()
}

/// The message, without the test's folder in it.
fn error(folder: &Folder, path: &Path) -> String {
    let error = read_snapshot(path).unwrap_err().to_string();
    error.replace(&folder.0.to_string_lossy().into_owned(), "FOLDER")
}

#[test]
fn a_file_is_read_by_its_name_or_by_how_it_begins() {
    let folder = Folder::new("file");
    let check = |name: &str, content: &[u8]| {
        let path = folder.write(name, content);
        assert_eq!(names(&read_snapshot(&path).unwrap()), ["a"], "{name}");
    };
    let json = r#"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}}"#;
    check("a.yaml", pod("a").as_bytes());
    check("a.yml", pod("a").as_bytes());
    check("a.json", json.as_bytes());
    check("dump", pod("a").as_bytes());
    check("dump.txt", json.as_bytes());
    check("a.json.gz", &gzip(json));
    check("packed", &gzip(&pod("a")));
    let mut members = gzip("apiVersion: v1\n");
    members.extend(gzip("kind: Pod\nmetadata: {name: a}\n"));
    check("members.yaml.gz", &members);
}

#[test]
fn a_folder_is_read_in_the_order_of_names_without_what_is_no_manifest() {
    let folder = Folder::new("folder");
    folder.write("b.yaml", pod("b1") + "---\n" + &pod("b2"));
    folder.write("a/2.json.gz", gzip(r#"{"kind": "Pod", "metadata": {"name": "a2"}}"#));
    folder.write("a/1.yml", pod("a1"));
    folder.write("c/d/e.yaml", pod("e"));
    folder.write("empty.yaml", "# nothing\n");
    folder.write("notes.txt", "kind: Pod");
    folder.write("yaml", "kind: Pod");
    folder.write("kustomization.yaml", "resources: [b.yaml]\n");
    folder.write(".git/config.yaml", "a: b: c");
    folder.write("a/.hidden.yaml", "a: b: c");
    assert_eq!(names(&read_snapshot(&folder.0).unwrap()), ["a1", "a2", "b1", "b2", "e"]);
}

#[test]
fn errors_name_the_file() {
    let folder = Folder::new("errors");
    let path = folder.write("wrong.yaml", pod("a") + "---\n" + &pod("b") + "spec: 5\n");
    assert_eq!(
        error(&folder, &path),
        "FOLDER/wrong.yaml: document 2: Pod default/b: spec: invalid type: integer `5`, \
         expected struct PodSpec",
    );
    let path = folder.write("binary.json", [b'{', 0xff]);
    assert_eq!(error(&folder, &path), "FOLDER/binary.json: not UTF-8 text (byte 1)");
    let path = folder.write("empty.yaml", "");
    assert_eq!(error(&folder, &path), "FOLDER/empty.yaml: no Kubernetes object in it");
    let missing = error(&folder, &folder.0.join("missing.json"));
    assert!(missing.starts_with("failed to read FOLDER/missing.json: "), "{missing}");
    let mut cut = gzip(&pod("a"));
    cut.truncate(cut.len() - 4);
    let path = folder.write("cut.yaml.gz", cut);
    assert!(error(&folder, &path).starts_with("failed to read FOLDER/cut.yaml.gz: "));
    fs::create_dir(folder.0.join("none")).unwrap();
    assert_eq!(
        error(&folder, &folder.0.join("none")),
        "FOLDER/none: no .json, .yaml or .yml file in this folder",
    );
}

#[test]
fn an_object_in_two_files_is_an_error_that_names_both() {
    let folder = Folder::new("twice");
    folder.write("one.yaml", pod("a"));
    folder.write("two.yaml", pod("b") + "---\n" + &pod("a"));
    assert_eq!(
        error(&folder, &folder.0),
        "FOLDER/two.yaml: document 2: Pod default/a was already defined in \
         FOLDER/one.yaml: document 1",
    );
}

#[test]
#[cfg(unix)]
fn links_that_lead_in_circles_are_refused() {
    let folder = Folder::new("circle");
    fs::create_dir(folder.0.join("a")).unwrap();
    std::os::unix::fs::symlink(&folder.0, folder.0.join("a/b")).unwrap();
    let message = error(&folder, &folder.0);
    assert!(message.ends_with("folders are nested deeper than 32"), "{message}");
}

#[test]
fn what_unpacks_to_more_than_the_limit_is_not_unpacked() {
    let zeros = gzip(&"0".repeat(1 << 20));
    assert!(zeros.len() < 1 << 16);
    assert_eq!(read_bytes(&zeros[..], 1 << 16).unwrap(), None);
    assert_eq!(read_bytes(&zeros[..], 1 << 20).unwrap().map(|bytes| bytes.len()), Some(1 << 20));
    assert_eq!(read_bytes(&b"12345"[..], 4).unwrap(), None);
    assert_eq!(read_bytes(&b"1234"[..], 4).unwrap().as_deref(), Some(&b"1234"[..]));
    assert_eq!(read_bytes(&b""[..], 4).unwrap().as_deref(), Some(&b""[..]));
    assert_eq!(read_bytes(&b"1"[..], 4).unwrap().as_deref(), Some(&b"1"[..]));
}

#[test]
fn what_each_file_has_gets_a_namespace_called_after_the_file() {
    let folder = Folder::new("isolated");
    folder.write("mysql/one-pod__pods.yml", pod("a") + "---\nkind: Node\nmetadata: { name: n1 }\n");
    folder.write("mysql/two.yaml", pod("a"));
    let objects = read_isolated(&folder.0, Path::new("mysql")).unwrap();
    let keys: Vec<String> =
        objects.pods.iter().map(|pod| crate::api::Object::key(pod).to_string()).collect();
    assert_eq!(keys, ["mysql-one-pod-pods/a", "mysql-two/a"]);
    assert_eq!(&*objects.nodes[0].metadata.namespace, "");

    let both = pod("a") + "---\n" + &pod("a").replace("name: a", "name: a\n  namespace: db");
    folder.write("both.yaml", both);
    let error = read_isolated(&folder.0, Path::new("both.yaml")).unwrap_err();
    assert!(matches!(error, InputError::Duplicate(_)), "{error}");
}

#[test]
fn the_name_of_a_namespace_is_a_label_as_dns_has_it() {
    let check = |path: &str, expected: &str| assert_eq!(&*namespace_of(path), expected, "{path}");
    check("pxc/Some_Test__pvc.v2.yml", "pxc-some-test-pvc-v2");
    check("a.yaml.gz", "a");
    let long = format!("{}.yml", "word-".repeat(20));
    let (one, other) = (namespace_of(&long), namespace_of(&format!("x-{long}")));
    assert!(one.len() <= 63 && one.starts_with("word-word-"), "{one}");
    assert_ne!(one[one.len() - 8..], other[other.len() - 8..]);
}
