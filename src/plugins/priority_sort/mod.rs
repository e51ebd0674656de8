//! PrioritySort: pods of higher priority first, and of equal ones the one that waits the longest.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::config::{Base, Point};
use crate::framework::{Instance, QueueSortPlugin, Registration, decode_args};
use crate::model::Instant;
use crate::snapshot::PodInfo;

pub const NAME: &str = "PrioritySort";

pub const REGISTRATION: Registration = Registration {
    name: NAME,
    summary: "orders waiting pods by priority, then by the time they entered the queue",
    points: &[Point::QueueSort],
    weight: 0,
    base: Base::Parity,
    build: |args| {
        decode_args::<()>(args)?;
        Ok(Instance { queue_sort: Some(Arc::new(PrioritySort)), ..Instance::default() })
    },
};

#[derive(Debug)]
pub struct PrioritySort;

impl QueueSortPlugin for PrioritySort {
    fn key(&self, pod: &PodInfo, since: Instant) -> (i64, u64) {
        (-i64::from(pod.priority), since.0)
    }
}
