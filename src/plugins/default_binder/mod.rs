//! DefaultBinder: a binding names the pod's uid and the version that was decided on.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::config::{Base, Point};
use crate::framework::{BindPlugin, Binding, Instance, Registration, decode_args};
use crate::model::Str;
use crate::snapshot::PodInfo;

pub const NAME: &str = "DefaultBinder";

pub const REGISTRATION: Registration = Registration {
    name: NAME,
    summary: "binds a pod through the binding subresource",
    points: &[Point::Bind],
    weight: 0,
    base: Base::Parity,
    build: |args| {
        decode_args::<()>(args)?;
        Ok(Instance { bind: Some(Arc::new(DefaultBinder)), ..Instance::default() })
    },
};

#[derive(Debug)]
pub struct DefaultBinder;

impl BindPlugin for DefaultBinder {
    fn binding(&self, pod: &PodInfo, node: &Str) -> Binding {
        Binding {
            uid: pod.uid.clone(),
            resource_version: pod.resource_version.clone(),
            node: node.clone(),
        }
    }
}
