//! The arguments of VolumeBinding: decoded as they are written, then checked.

use std::time::Duration;

use serde::Deserialize;

use super::VolumeBinding;
use crate::framework::ArgsError;
use crate::plugins::shape::{Shape, ShapePoint, validate_shape};

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct VolumeBindingArgs {
    /// How long claims may take to be bound.
    bind_timeout_seconds: Option<i64>,
    /// What a node scores by how much of its storage would be used.
    shape: Option<Vec<ShapePoint>>,
}

const BIND_TIMEOUT_SECONDS_DEFAULT: i64 = 600;

impl VolumeBindingArgs {
    pub fn compile(self) -> Result<VolumeBinding, ArgsError> {
        let seconds = self.bind_timeout_seconds.unwrap_or(BIND_TIMEOUT_SECONDS_DEFAULT);
        let timeout = u64::try_from(seconds).map_err(|_| ArgsError::Invalid {
            field: "bindTimeoutSeconds".to_owned(),
            value: seconds.to_string(),
            expected: "0 or more".to_owned(),
        })?;
        // An empty list is as good as none.
        let shape = self.shape.filter(|points| !points.is_empty()).unwrap_or_else(default_shape);
        validate_shape(&shape, "shape")?;
        Ok(VolumeBinding { timeout: Duration::from_secs(timeout), shape: Shape::new(&shape) })
    }
}

/// The more is left, the better.
fn default_shape() -> Vec<ShapePoint> {
    vec![ShapePoint { utilization: 0, score: 10 }, ShapePoint { utilization: 100, score: 0 }]
}
