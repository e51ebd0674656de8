//! The arguments of NodeResourcesFit: decoded as they are written, then checked.

use serde::Deserialize;

use super::NodeResourcesFit;
use super::filtering::Ignored;
use super::scoring::{Rule, Strategy};
use crate::framework::ArgsError;
use crate::model::{Str, is_label_key};
use crate::plugins::scored_resources::{ResourceArgs, specs};
use crate::plugins::shape::{Shape, ShapePoint, validate_shape};

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

const RATIO: &str = "scoringStrategy.requestedToCapacityRatio";

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
                validate_shape(points, &format!("{RATIO}.shape"))?;
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

fn invalid(field: impl Into<String>, value: &str, expected: &str) -> ArgsError {
    ArgsError::Invalid {
        field: field.into(),
        value: value.to_owned(),
        expected: expected.to_owned(),
    }
}
