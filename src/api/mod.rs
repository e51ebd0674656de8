//! Partial serde structs of the Kubernetes objects that Quorate reads: one decode path for watch,
//! dump, manifest and trace. Fields that nobody reads are left out.

mod amounts;
pub mod decode;
pub mod meta;
pub mod node;
pub mod pod;
pub mod policy;
pub mod priority_class;
pub mod requests;
pub mod storage;
pub mod volume;
pub mod workload;

pub(crate) use amounts::amounts;
pub use decode::{DecodeError, Format, Objects, decode};
pub use meta::{Object, ObjectMeta, OwnerReference};
pub use node::{ContainerImage, Node, NodeSpec, NodeStatus};
pub use pod::{
    Affinity, Container, ContainerPort, ContainerStatus, NodeAffinity, Pod, PodAffinity,
    PodAffinityTerm, PodCondition, PodSpec, PodStatus, ResourceList, ResourceRequirements,
    SchedulingGate, TopologySpreadConstraint, WeightedPodAffinityTerm,
};
pub use policy::{
    ClusterPlacementPolicy, LevelRule, Mode, PlacementPolicy, PlacementPolicySpec,
    PlacementPolicyStatus, PolicyKeys, Primaries,
};
pub use priority_class::PriorityClass;
pub use storage::{
    CsiDriver, CsiNode, CsiStorageCapacity, PersistentVolume, PersistentVolumeClaim, StorageClass,
    VolumeAttachment,
};
pub use volume::{Present, Volume};
pub use workload::{
    DaemonSet, Deployment, Job, Namespace, PodTemplate, ReplicaSet, ReplicationController, Service,
    StatefulSet,
};
