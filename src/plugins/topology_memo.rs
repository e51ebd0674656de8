//! Failure domains, worked out once until nodes change.

use std::sync::{Arc, Mutex, PoisonError};

use serde::Deserialize;
use serde_json::Value;

use crate::framework::{ArgsError, decode_args};
use crate::placement::{Declaration, FailureDomains, HOST, Topology};
use crate::snapshot::{TopologyColumn, View};

/// The arguments of the plugins that know failure domains.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Args {
    /// Put here from the configuration, where it stands once for all.
    infrastructure: Declaration,
}

/// The topology of a configuration, and the domains of the cluster that was last asked about.
#[derive(Debug, Default)]
pub struct TopologyMemo {
    topology: Topology,
    /// With the column of host names, which is made anew with every change of the nodes.
    last: Mutex<Option<(Arc<TopologyColumn>, Arc<FailureDomains>)>>,
}

impl TopologyMemo {
    pub fn of_args(args: &Value) -> Result<Self, ArgsError> {
        let args: Args = decode_args(args)?;
        let topology = Topology::new(&args.infrastructure)
            .map_err(|error| ArgsError::Decode(format!("infrastructure.{error}")))?;
        Ok(Self { topology, last: Mutex::default() })
    }

    pub fn domains(&self, view: &View<'_>) -> Arc<FailureDomains> {
        let hosts = view.topology(&HOST.into());
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some((known, domains)) if Arc::ptr_eq(known, &hosts) => domains.clone(),
            _ => {
                let domains = Arc::new(FailureDomains::of(view, &self.topology));
                *last = Some((hosts, domains.clone()));
                domains
            }
        }
    }
}
