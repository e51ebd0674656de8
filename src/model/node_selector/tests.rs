//! Node selectors against upstream's answers.

use super::*;

fn written(json: &str) -> NodeSelector {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"))
}

/// A selector of one term with one condition on a label.
fn expression(key: &str, operator: &str, values: &str) -> String {
    format!(
        r#"{{"nodeSelectorTerms": [{{"matchExpressions": [
            {{"key": "{key}", "operator": "{operator}", "values": {values}}}]}}]}}"#
    )
}

/// A selector of one term with one condition on a field.
fn field(key: &str, operator: &str, values: &str) -> String {
    expression(key, operator, values).replace("matchExpressions", "matchFields")
}

fn node_labels() -> Labels {
    [("zone", "z1"), ("gen", "7"), ("text", "x")].into_iter().collect()
}

#[test]
fn conditions_hold_as_upstream_reads_them() {
    let check = |json: &str, expected: bool| {
        let terms = written(json).compile();
        assert_eq!(terms.matches("n1", &node_labels()), Ok(expected), "{json}");
    };
    check(&expression("zone", "In", r#"["z0", "z1"]"#), true);
    check(&expression("zone", "NotIn", r#"["z1"]"#), false);
    check(&expression("rack", "NotIn", r#"["z1"]"#), true);
    check(&expression("zone", "Exists", "[]"), true);
    check(&expression("zone", "DoesNotExist", "null"), false);
    check(&expression("gen", "Gt", r#"["6"]"#), true);
    check(&expression("gen", "Gt", r#"["7"]"#), false);
    check(&expression("gen", "Lt", r#"["008"]"#), true);
    check(&expression("gen", "Lt", r#"["7"]"#), false);
    check(&expression("text", "Gt", r#"["1"]"#), false);
    check(&expression("rack", "Lt", r#"["1"]"#), false);
    check(&field("metadata.name", "In", r#"["n1"]"#), true);
    check(&field("metadata.name", "In", r#"["n2"]"#), false);
    check(&field("metadata.name", "NotIn", r#"["n2"]"#), true);
    check(&field("metadata.namespace", "In", r#"["n1"]"#), false);
    check(&field("metadata.namespace", "In", r#"[""]"#), true);
    check("{}", false);
    check(r#"{"nodeSelectorTerms": null}"#, false);
    check(r#"{"nodeSelectorTerms": [{}]}"#, false);
    check(r#"{"nodeSelectorTerms": [{"matchExpressions": [], "matchFields": null}]}"#, false);
}

#[test]
fn terms_that_do_not_parse_are_an_error() {
    let check = |json: &str, expected: NodeSelectorError| {
        let selector = written(json);
        assert_eq!(selector.compile().matches("n1", &node_labels()), Err(expected.clone()));
        assert_eq!(selector.compile_strict(), Err(expected));
    };
    let integer = |key: &str, operator: &str| NodeSelectorError::Integer {
        key: key.into(),
        operator: operator.into(),
    };
    check(&expression("zone", "Like", "[]"), NodeSelectorError::Operator("Like".into()));
    check(&expression("gen", "Gt", r#"["x"]"#), integer("gen", "Gt"));
    check(&expression("gen", "Gt", r#"["1", "2"]"#), integer("gen", "Gt"));
    check(&expression("gen", "Lt", "[]"), integer("gen", "Lt"));
    check(&expression("gen", "Lt", r#"["9223372036854775808"]"#), integer("gen", "Lt"));
    let negative = SelectorError::Value { key: "gen".into(), value: "-1".into() };
    check(&expression("gen", "Gt", r#"["-1"]"#), negative.into());
    let (key, operator) = ("zone".into(), "In".into());
    check(&expression("zone", "In", "[]"), SelectorError::NoValues { key, operator }.into());
    check(&expression("a b", "Exists", "[]"), SelectorError::Key("a b".into()).into());
    let name = "metadata.name";
    check(&field(name, "Exists", "[]"), NodeSelectorError::FieldOperator("Exists".into()));
    check(&field(name, "In", "[]"), NodeSelectorError::FieldValues(name.into()));
    check(&field(name, "NotIn", r#"["a", "b"]"#), NodeSelectorError::FieldValues(name.into()));
}

#[test]
fn an_error_counts_only_where_no_other_term_matches() {
    let selector = written(
        r#"{"nodeSelectorTerms": [
            {"matchExpressions": [{"key": "gen", "operator": "Gt", "values": ["x"]}]},
            {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["z1"]}],
             "matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]}]}"#,
    );
    let terms = selector.compile();
    assert_eq!(terms.matches("n1", &node_labels()), Ok(true));
    assert!(terms.matches("n2", &node_labels()).is_err());
    assert!(terms.matches("n1", &Labels::default()).is_err());
    assert!(selector.compile_strict().is_err());
}

#[test]
fn fields_say_nothing_about_a_node_without_a_name() {
    let terms = written(&field("metadata.name", "In", r#"["n1"]"#)).compile();
    assert_eq!(terms.matches("", &node_labels()), Ok(true));
}

#[test]
fn node_names_are_known_only_if_every_term_names_some() {
    let check = |terms: &str, expected: Option<&[&str]>| {
        let selector = written(&format!(r#"{{"nodeSelectorTerms": [{terms}]}}"#));
        let expected = expected.map(|names| names.iter().map(|name| (*name).into()).collect());
        assert_eq!(selector.node_names(), expected, "{terms}");
    };
    let named = |values: &str| {
        format!(r#"{{"key": "metadata.name", "operator": "In", "values": {values}}}"#)
    };
    let term = |fields: &str| format!(r#"{{"matchFields": [{fields}]}}"#);
    let (a, b, c) = (named(r#"["a"]"#), named(r#"["b", "a"]"#), named(r#"["c"]"#));
    check("", None);
    check("{}", None);
    check(&term(&b), Some(&["a", "b"]));
    check(&term(&format!("{a}, {b}")), Some(&["a"]));
    check(&term(&format!("{a}, {c}")), Some(&[]));
    check(&format!("{}, {}", term(&a), term(&c)), Some(&["a", "c"]));
    check(&format!("{}, {{}}", term(&a)), None);
    let excluded = a.replace("In", "NotIn");
    check(&term(&excluded), None);
    check(&term(&format!("{excluded}, {c}")), Some(&["c"]));
}

fn preferred(weight: i32, json: &str) -> PreferredSchedulingTerm {
    let preference = written(json).node_selector_terms.remove(0);
    PreferredSchedulingTerm { weight, preference }
}

#[test]
fn preferred_terms_add_their_weights_where_they_match() {
    let zone = expression("zone", "In", r#"["z1"]"#);
    let name = field("metadata.name", "In", r#"["n1"]"#);
    let broken = expression("zone", "Like", "[]");
    let empty = r#"{"nodeSelectorTerms": [{}]}"#;
    let terms =
        [preferred(30, &zone), preferred(5, &name), preferred(0, &broken), preferred(9, empty)];
    let compiled = PreferredTerms::compile(&terms).unwrap();
    assert_eq!(compiled.score("n1", &node_labels()), 35);
    assert_eq!(compiled.score("n2", &node_labels()), 30);
    assert_eq!(compiled.score("n2", &Labels::default()), 0);

    assert!(PreferredTerms::compile(&terms[2..]).unwrap().is_empty());
    let error = PreferredTerms::compile(&[preferred(30, &zone), preferred(1, &broken)]);
    assert_eq!(error, Err(NodeSelectorError::Operator("Like".into())));
}
