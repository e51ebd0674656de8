//! The election's rules one by one, and several candidates over one lease.

mod race;
mod rules;

use std::time::Duration;

use super::Settings;

const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// The defaults: 15, 10 and 2 seconds.
fn settings(identity: &str) -> Settings {
    Settings {
        identity: identity.into(),
        lease_duration: seconds(15),
        renew_deadline: seconds(10),
        retry_period: seconds(2),
    }
}
