//! Quorum rules: how many members of a group may be gone while it still serves.

use serde::{Deserialize, Serialize};

/// How a group counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Rule {
    /// More than half of all voters have to be there.
    Majority,
    /// Any one member that is left can go on.
    NMinusOne,
    /// Each range of data lives on `factor` members, of which `needed` have to be there. Which
    /// members share a range is not known, so that any of them may.
    ReplicationFactor { factor: u32, needed: u32 },
    /// More than half of all masters have to be there; the other members do not vote.
    MastersMajority,
    /// No member may be gone.
    Untolerant,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    #[error("rule: \"replicationFactor\": expected replicationFactor and needed beside it")]
    NoFactor,
    #[error("needed: {needed}: expected a number from 1 to the replication factor, {factor}")]
    Needed { factor: u32, needed: u32 },
    #[error("replicationFactor: only the rule replicationFactor has one")]
    UnwantedFactor,
}

/// The name of a rule, as files write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum RuleName {
    Majority,
    NMinusOne,
    ReplicationFactor,
    MastersMajority,
    Untolerant,
}

impl Rule {
    /// The rule that a file names, with the numbers beside it.
    pub fn from_parts(
        name: RuleName,
        factor: Option<u32>,
        needed: Option<u32>,
    ) -> Result<Self, RuleError> {
        let plain = match name {
            RuleName::Majority => Self::Majority,
            RuleName::NMinusOne => Self::NMinusOne,
            RuleName::MastersMajority => Self::MastersMajority,
            RuleName::Untolerant => Self::Untolerant,
            RuleName::ReplicationFactor => {
                let (Some(factor), Some(needed)) = (factor, needed) else {
                    return Err(RuleError::NoFactor);
                };
                if needed == 0 || needed > factor {
                    return Err(RuleError::Needed { factor, needed });
                }
                return Ok(Self::ReplicationFactor { factor, needed });
            }
        };
        match (factor, needed) {
            (None, None) => Ok(plain),
            _ => Err(RuleError::UnwantedFactor),
        }
    }

    /// How many of so many voters may be gone.
    pub fn tolerance(self, size: u32) -> u32 {
        match self {
            Self::Majority | Self::MastersMajority => size.saturating_sub(1) / 2,
            Self::NMinusOne => size.saturating_sub(1),
            Self::ReplicationFactor { factor, needed } => {
                // While there are fewer members than copies, each holds everything.
                let copies = factor.min(size);
                copies.saturating_sub(needed)
            }
            Self::Untolerant => 0,
        }
    }

    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Majority => "majority",
            Self::NMinusOne => "n-1",
            Self::ReplicationFactor { .. } => "replication factor",
            Self::MastersMajority => "masters' majority",
            Self::Untolerant => "untolerant",
        }
    }
}
