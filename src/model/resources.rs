//! Amounts of resources as whole numbers, the form in which placement adds them up.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::names::is_label_key;
use super::{Quantity, Str};

pub const CPU: &str = "cpu";
pub const MEMORY: &str = "memory";
pub const EPHEMERAL_STORAGE: &str = "ephemeral-storage";
pub const PODS: &str = "pods";

/// What scoring counts for a container that requests no cpu: 100 m.
pub const DEFAULT_MILLI_CPU_REQUEST: i64 = 100;
/// What scoring counts for a container that requests no memory: 200 MiB.
pub const DEFAULT_MEMORY_REQUEST: i64 = 200 * 1024 * 1024;

/// Cpu in milli-CPUs and everything else in units, both rounded up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Resources {
    pub milli_cpu: i64,
    pub memory: i64,
    pub ephemeral_storage: i64,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub scalar: BTreeMap<Str, i64>,
}

impl Resources {
    /// Rounds each amount up. Names that are no resource of a scheduler (`pods` too) are left out.
    pub fn from_amounts<'a>(amounts: impl IntoIterator<Item = (&'a Str, &'a Quantity)>) -> Self {
        let mut resources = Self::default();
        for (name, amount) in amounts {
            match &**name {
                CPU => resources.milli_cpu = amount.milli_value(),
                MEMORY => resources.memory = amount.value(),
                EPHEMERAL_STORAGE => resources.ephemeral_storage = amount.value(),
                other if is_scalar_resource_name(other) => {
                    resources.scalar.insert(name.clone(), amount.value());
                }
                _ => {}
            }
        }
        resources
    }

    /// The amount by resource name, 0 for what is not there.
    pub fn get(&self, name: &str) -> i64 {
        match name {
            CPU => self.milli_cpu,
            MEMORY => self.memory,
            EPHEMERAL_STORAGE => self.ephemeral_storage,
            other => self.scalar.get(other).copied().unwrap_or(0),
        }
    }

    /// The amounts by resource name, in the order in which a scheduler asks for them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, i64)> {
        let always = [
            (CPU, self.milli_cpu),
            (MEMORY, self.memory),
            (EPHEMERAL_STORAGE, self.ephemeral_storage),
        ];
        let scalar = self.scalar.iter().map(|(name, amount)| (&**name, *amount));
        always.into_iter().chain(scalar)
    }

    /// Adds, stopping at the largest number.
    pub fn add(&mut self, other: &Self) {
        self.combine(other, i64::saturating_add);
    }

    /// Subtracts, stopping at the smallest number. A scalar that comes to 0 stays in the map.
    pub fn sub(&mut self, other: &Self) {
        self.combine(other, i64::saturating_sub);
    }

    /// The larger amount of each resource. What only one side names counts 0 on the other.
    pub fn max(&mut self, other: &Self) {
        self.combine(other, i64::max);
    }

    /// Whether nothing is asked for: every amount is 0.
    pub fn is_zero(&self) -> bool {
        self.milli_cpu == 0
            && self.memory == 0
            && self.ephemeral_storage == 0
            && self.scalar.values().all(|amount| *amount == 0)
    }

    fn combine(&mut self, other: &Self, operation: fn(i64, i64) -> i64) {
        self.milli_cpu = operation(self.milli_cpu, other.milli_cpu);
        self.memory = operation(self.memory, other.memory);
        self.ephemeral_storage = operation(self.ephemeral_storage, other.ephemeral_storage);
        for (name, amount) in &other.scalar {
            let own = self.scalar.get(name).copied().unwrap_or(0);
            self.scalar.insert(name.clone(), operation(own, *amount));
        }
    }
}

/// Whether placement counts the resource beside cpu, memory and ephemeral storage: extended
/// resources, huge pages, attachable volumes, and what has a prefix of Kubernetes itself.
pub fn is_scalar_resource_name(name: &str) -> bool {
    name.starts_with("hugepages-")
        || name.starts_with("attachable-volumes-")
        || name.contains("kubernetes.io/")
        || is_extended_resource_name(name)
}

/// A vendor's resource: it has a domain that is not of Kubernetes itself, and is a valid name also
/// with the prefix for quotas.
pub fn is_extended_resource_name(name: &str) -> bool {
    name.contains('/')
        && !name.contains("kubernetes.io/")
        && !name.starts_with("requests.")
        && is_label_key(&format!("requests.{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalar_resources_are_those_with_a_domain_or_a_known_prefix() {
        let check = |name: &str, expected: bool| {
            assert_eq!(is_scalar_resource_name(name), expected, "{name}");
        };
        check("example.com/gpu", true);
        check("hugepages-2Mi", true);
        check("attachable-volumes-csi-x", true);
        check("node.kubernetes.io/x", true);
        check("batch/x", true);
        check("gpu", false);
        check("pods", false);
        check("requests.example.com/gpu", false);
        check("example.com/", false);
        check("Example.com/gpu", false);
        check("a/b/c", false);
    }

    #[test]
    fn extended_resources_are_those_of_vendors() {
        let check = |name: &str, expected: bool| {
            assert_eq!(is_extended_resource_name(name), expected, "{name}");
        };
        check("example.com/gpu", true);
        check("batch/x", true);
        check("node.kubernetes.io/x", false);
        check("requests.example.com/gpu", false);
        check("hugepages-2Mi", false);
        check("Example.com/gpu", false);
    }

    #[test]
    fn amounts_are_rounded_up_in_the_unit_of_their_resource() {
        let amounts: BTreeMap<Str, Quantity> = [
            ("cpu", "1500u"),
            ("memory", "1500m"),
            ("ephemeral-storage", "1Ki"),
            ("pods", "3"),
            ("gpu", "1"),
            ("example.com/gpu", "2"),
        ]
        .map(|(name, text)| (name.into(), text.parse().unwrap()))
        .into();
        let expected = Resources {
            milli_cpu: 2,
            memory: 2,
            ephemeral_storage: 1024,
            scalar: BTreeMap::from([("example.com/gpu".into(), 2)]),
        };
        assert_eq!(Resources::from_amounts(&amounts), expected);
    }

    #[test]
    fn sums_saturate_and_the_larger_amount_wins() {
        let one = |amount: i64, name: &str| Resources {
            milli_cpu: amount,
            memory: 10 - amount,
            ephemeral_storage: 0,
            scalar: BTreeMap::from([(name.into(), amount)]),
        };
        let mut sum = one(i64::MAX, "a/x");
        sum.add(&one(1, "a/x"));
        assert_eq!(sum.milli_cpu, i64::MAX);
        assert_eq!(sum.get("a/x"), i64::MAX);

        let mut largest = one(1, "a/x");
        largest.max(&one(4, "a/y"));
        assert_eq!((largest.get(CPU), largest.get(MEMORY)), (4, 9));
        assert_eq!((largest.get("a/x"), largest.get("a/y")), (1, 4));

        let mut nothing = one(4, "a/y");
        nothing.sub(&one(4, "a/y"));
        nothing.memory = 0;
        assert!(nothing.is_zero());
        assert!(!one(1, "a/x").is_zero());
    }
}
