//! Why a request of a watch failed.

use std::time::Duration;

use crate::model::Str;

/// Why a request failed, as far as the protocol cares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failure {
    /// The HTTP status, or that of an ERROR event; 0 if nobody answered.
    pub code: u16,
    /// The reason of the Status object, such as `Expired`.
    pub reason: Str,
    pub retry_after: Option<Duration>,
}

impl Failure {
    /// Nobody answered: no connection, or one that broke.
    pub fn unreachable() -> Self {
        Self::default()
    }

    pub fn with_code(code: u16, reason: &str) -> Self {
        Self { code, reason: reason.into(), retry_after: None }
    }

    /// The version that was asked for is no longer, or not yet, in the API server's history.
    pub(super) fn is_expired(&self) -> bool {
        self.code == 410 || matches!(&*self.reason, "Expired" | "Gone" | TOO_LARGE)
    }

    /// The API server does not know what was asked for.
    pub(super) fn is_not_found(&self) -> bool {
        self.code == 404
    }

    /// The request itself is not understood, so that to repeat it cannot help.
    pub(super) fn is_invalid(&self) -> bool {
        matches!(self.code, 400 | 405 | 406 | 415 | 422 | 501)
    }
}

/// The cause that a Status names for a version that the API server has not reached, as after a
/// restore from a backup.
const TOO_LARGE: &str = "ResourceVersionTooLarge";
