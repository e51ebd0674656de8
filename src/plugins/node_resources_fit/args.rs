//! The arguments of NodeResourcesFit: decoded as they are written, then checked.

use serde::Deserialize;

use super::NodeResourcesFit;
use super::filtering::Ignored;
use super::scoring::{Rule, Shape, Strategy};
use crate::framework::ArgsError;
use crate::model::{Str, is_label_key};
use crate::plugins::scored_resources::{ResourceArgs, specs};

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct NodeResourcesFitArgs {
    /// Extended resources that the filter leaves aside.
    ignored_resources: Option<Vec<Str>>,
    /// The same for all extended resources of a domain.
    ignored_resource_groups: Option<Vec<Str>>,
    scoring_strategy: Option<StrategyArgs>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct StrategyArgs {
    #[serde(rename = "type")]
    kind: Str,
    /// The resources that count; CPU and memory where there are none.
    resources: Option<Vec<ResourceArgs>>,
    requested_to_capacity_ratio: Option<RatioArgs>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RatioArgs {
    shape: Option<Vec<ShapePoint>>,
}

/// One point of the function from utilization in per cent to a score from 0 to 10.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ShapePoint {
    pub utilization: i32,
    pub score: i32,
}

const RATIO: &str = "scoringStrategy.requestedToCapacityRatio";
/// The best score that a point of the shape can give.
const SHAPE_SCORE_MAX: i32 = 10;

impl NodeResourcesFitArgs {
    pub fn compile(self) -> Result<NodeResourcesFit, ArgsError> {
        let resources = self.ignored_resources.unwrap_or_default();
        for (index, name) in resources.iter().enumerate() {
            if !is_label_key(name) {
                let field = format!("ignoredResources[{index}]");
                return Err(invalid(field, name, "the name of a resource"));
            }
        }
        let groups = self.ignored_resource_groups.unwrap_or_default();
        for (index, group) in groups.iter().enumerate() {
            if group.contains('/') || !is_label_key(group) {
                let field = format!("ignoredResourceGroups[{index}]");
                return Err(invalid(field, group, "a domain without a slash"));
            }
        }
        Ok(NodeResourcesFit {
            ignored: Ignored {
                resources: resources.into_iter().collect(),
                groups: groups.into_iter().collect(),
            },
            strategy: self.scoring_strategy.map_or_else(
                || StrategyArgs::new("LeastAllocated").compile(),
                StrategyArgs::compile,
            )?,
        })
    }
}

impl StrategyArgs {
    fn new(kind: &str) -> Self {
        Self { kind: kind.into(), ..Self::default() }
    }

    fn compile(self) -> Result<Strategy, ArgsError> {
        let ratio = self.requested_to_capacity_ratio;
        let rule = match (&*self.kind, &ratio) {
            ("LeastAllocated", None) => Rule::LeastAllocated,
            ("MostAllocated", None) => Rule::MostAllocated,
            ("RequestedToCapacityRatio", Some(ratio)) => {
                let points = ratio.shape.as_deref().unwrap_or_default();
                validate_shape(points)?;
                Rule::RequestedToCapacityRatio(Shape::new(points))
            }
            ("RequestedToCapacityRatio", None) => {
                return Err(invalid(RATIO, "null", "a shape, as the type asks for one"));
            }
            ("LeastAllocated" | "MostAllocated", Some(_)) => {
                let expected = "nothing, unless the type is RequestedToCapacityRatio";
                return Err(invalid(RATIO, "a shape", expected));
            }
            (other, _) => {
                let expected = "LeastAllocated, MostAllocated or RequestedToCapacityRatio";
                return Err(invalid("scoringStrategy.type", other, expected));
            }
        };
        let resources = specs(self.resources, "scoringStrategy.resources", 100)?;
        Ok(Strategy { rule, resources })
    }
}

/// At least one point, from left to right, within the ranges.
fn validate_shape(points: &[ShapePoint]) -> Result<(), ArgsError> {
    if points.is_empty() {
        return Err(invalid(format!("{RATIO}.shape"), "[]", "one point or more"));
    }
    let mut last = None;
    for (index, ShapePoint { utilization, score }) in points.iter().enumerate() {
        let check = |field: &str, value: &i32, valid: bool, expected: &str| {
            let field = format!("{RATIO}.shape[{index}].{field}");
            valid.then_some(()).ok_or_else(|| invalid(field, &value.to_string(), expected))
        };
        let in_range = (0..=100).contains(utilization);
        check("utilization", utilization, in_range, "a number from 0 to 100")?;
        let in_range = (0..=SHAPE_SCORE_MAX).contains(score);
        check("score", score, in_range, "a number from 0 to 10")?;
        let ascends = last.is_none_or(|last| last < *utilization);
        check("utilization", utilization, ascends, "more than the point before")?;
        last = Some(*utilization);
    }
    Ok(())
}

fn invalid(field: impl Into<String>, value: &str, expected: &str) -> ArgsError {
    ArgsError::Invalid {
        field: field.into(),
        value: value.to_owned(),
        expected: expected.to_owned(),
    }
}
