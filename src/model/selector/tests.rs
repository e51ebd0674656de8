//! Label selectors against upstream's answers and against their written form.

use proptest::prelude::*;

use super::*;

fn written(json: &str) -> LabelSelector {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"))
}

/// A selector with one condition on the label `a`.
fn one(operator: &str, values: &str) -> String {
    let requirement = format!(r#"{{"key": "a", "operator": "{operator}", "values": {values}}}"#);
    format!(r#"{{"matchExpressions": [{requirement}]}}"#)
}

fn labels(text: &str) -> Labels {
    text.split_terminator(',').filter_map(|label| label.split_once('=')).collect()
}

#[test]
fn selectors_match_and_print_as_upstream_does() {
    let check = |json: &str, printed: &str, matching: &[&str], others: &[&str]| {
        let selector = written(json).compile().unwrap();
        assert_eq!(selector.to_string(), printed);
        for text in matching {
            assert!(selector.matches(&labels(text)), "{printed} should match {text}");
        }
        for text in others {
            assert!(!selector.matches(&labels(text)), "{printed} should not match {text}");
        }
    };
    check("{}", "", &["", "a=1"], &[]);
    check(r#"{"matchLabels": null, "matchExpressions": null}"#, "", &["", "a=1"], &[]);
    check(r#"{"matchLabels": {"b": "2", "a": "1"}}"#, "a=1,b=2", &["a=1,b=2,c=3"], &["a=1", ""]);
    check(&one("In", r#"["2", "1"]"#), "a in (1,2)", &["a=1", "a=2"], &["a=3", "b=1", ""]);
    check(&one("In", r#"["1", "1"]"#), "a in (1,1)", &["a=1"], &["a=2"]);
    check(&one("NotIn", r#"["1", ""]"#), "a notin (,1)", &["a=3", "b=1", ""], &["a=1", "a="]);
    check(&one("Exists", "[]"), "a", &["a=", "a=1"], &["b=1", ""]);
    check(&one("DoesNotExist", "null"), "!a", &["b=1", ""], &["a=", "a=1"]);
    check(
        r#"{"matchLabels": {"b": "1"}, "matchExpressions": [
            {"key": "b", "operator": "Exists"}, {"key": "a", "operator": "DoesNotExist"}]}"#,
        "!a,b=1,b",
        &["b=1"],
        &["b=1,a=1", "b=2"],
    );
}

#[test]
fn selectors_that_upstream_refuses_are_refused() {
    let check = |key: &str, operator: &str, values: &[&str], expected: SelectorError| {
        let requirement = LabelSelectorRequirement {
            key: key.into(),
            operator: operator.into(),
            values: values.iter().map(|value| (*value).into()).collect(),
        };
        let selector =
            LabelSelector { match_expressions: vec![requirement], ..LabelSelector::default() };
        assert_eq!(selector.compile(), Err(expected));
    };
    check("a", "Gt", &["1"], SelectorError::Operator("Gt".into()));
    check("a", "", &[], SelectorError::Operator("".into()));
    check("a/", "Exists", &[], SelectorError::Key("a/".into()));
    let (key, value) = ("a".into(), "b@d".into());
    check("a", "In", &["x", "b@d"], SelectorError::Value { key, value });
    let (key, operator) = ("a".into(), "NotIn".into());
    check("a", "NotIn", &[], SelectorError::NoValues { key, operator });
    let (key, operator) = ("a".into(), "Exists".into());
    check("a", "Exists", &["1"], SelectorError::UnwantedValues { key, operator });

    let labelled = written(r#"{"matchLabels": {"a": "b d"}}"#);
    let (key, value) = ("a".into(), "b d".into());
    assert_eq!(labelled.compile(), Err(SelectorError::Value { key, value }));
}

#[test]
fn an_absent_selector_selects_nothing_and_an_empty_one_everything() {
    let nothing = compile_optional(None).unwrap();
    assert!(nothing.is_nothing() && !nothing.is_everything());
    assert!(!nothing.matches(&Labels::default()));
    assert_eq!(nothing, Selector::nothing());
    assert_eq!(nothing.and([Requirement::new("a", Operator::Exists, vec![])]), nothing);

    let everything = compile_optional(Some(&LabelSelector::default())).unwrap();
    assert!(everything.is_everything() && !everything.is_nothing());
    assert_eq!(everything, Selector::everything());
    assert_eq!(everything, Selector::from_map(&Labels::default()));
}

#[test]
fn requirements_are_added_once_and_in_order() {
    let selector = Selector::from_map(&labels("b=1"));
    let added = Requirement::new("a", Operator::In, vec!["2".into(), "1".into()]);
    let both = selector.and([added.clone()]);
    assert_eq!(both.to_string(), "a in (1,2),b=1");
    assert_eq!(both.and([added]), both);
    assert!(both.matches(&labels("a=2,b=1")) && !both.matches(&labels("b=1")));
}

#[test]
fn equalities_are_the_labels_that_every_match_carries() {
    let check = |json: &str, expected: &[(&str, &str)]| {
        let selector = written(json).compile().unwrap();
        let equalities = selector.equalities();
        let equalities: Vec<_> = equalities.map(|(key, value)| (&**key, &**value)).collect();
        assert_eq!(equalities, expected);
    };
    check("{}", &[]);
    check(r#"{"matchLabels": {"b": "1", "c": "2"}}"#, &[("b", "1"), ("c", "2")]);
    check(&one("In", r#"["1"]"#), &[("a", "1")]);
    check(&one("In", r#"["1", "1"]"#), &[("a", "1")]);
    check(&one("In", r#"["1", "2"]"#), &[]);
    check(&one("NotIn", r#"["1"]"#), &[]);
    check(&one("Exists", "[]"), &[]);
    assert_eq!(Selector::nothing().equalities().count(), 0);
}

fn some_labels() -> impl Strategy<Value = Labels> {
    proptest::collection::vec(("[a-c]", "[1-3]"), 0..4).prop_map(Labels::from_iter)
}

fn some_requirement() -> impl Strategy<Value = LabelSelectorRequirement> {
    let values = proptest::collection::vec("[1-3]", 1..3);
    ("[a-c]", 0_usize..4, values).prop_map(|(key, operator, values)| LabelSelectorRequirement {
        key: key.into(),
        operator: ["In", "NotIn", "Exists", "DoesNotExist"][operator].into(),
        values: values.into_iter().filter(|_| operator < 2).map(Into::into).collect(),
    })
}

fn some_selector() -> impl Strategy<Value = LabelSelector> {
    let expressions = proptest::collection::vec(some_requirement(), 0..4);
    (some_labels(), expressions).prop_map(|(labels, match_expressions)| LabelSelector {
        match_labels: labels.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
        match_expressions,
    })
}

/// What the written form says, read as plainly as possible.
fn matches_as_written(selector: &LabelSelector, labels: &Labels) -> bool {
    selector.match_labels.iter().all(|(key, value)| labels.get(key) == Some(value))
        && selector.match_expressions.iter().all(|one| {
            let actual = labels.get(&one.key);
            let listed = actual.is_some_and(|value| one.values.contains(value));
            match &*one.operator {
                "In" => listed,
                "NotIn" => !listed,
                "Exists" => actual.is_some(),
                _ => actual.is_none(),
            }
        })
}

proptest! {
    #[test]
    fn a_compiled_selector_means_what_is_written(
        selector in some_selector(),
        labels in some_labels(),
    ) {
        let compiled = selector.compile().unwrap();
        prop_assert_eq!(compiled.matches(&labels), matches_as_written(&selector, &labels));
        if compiled.matches(&labels) {
            for (key, value) in compiled.equalities() {
                prop_assert_eq!(labels.get(key), Some(value));
            }
        }
        let keys: Vec<&Str> = compiled.requirements().iter().map(|one| &one.key).collect();
        prop_assert!(keys.is_sorted());
    }

    #[test]
    fn adding_a_requirement_narrows_the_selector_by_it(
        selector in some_selector(),
        added in some_requirement(),
        labels in some_labels(),
    ) {
        let selector = selector.compile().unwrap();
        let added = added.compile().unwrap();
        let expected = selector.matches(&labels) && added.matches(&labels);
        prop_assert_eq!(selector.and([added]).matches(&labels), expected);
    }

    #[test]
    fn a_selector_survives_being_written(selector in some_selector()) {
        let text = serde_json::to_string(&selector).unwrap();
        prop_assert_eq!(written(&text), selector);
    }
}
