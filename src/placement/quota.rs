//! How many members of a group one domain may have.

/// What a level allows a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// No domain may have more members.
    pub members_max: u32,
    /// Whether so few a domain are enough for the loss of any one domain to be survived.
    pub feasible: bool,
}

impl Quota {
    /// The quota of a group of `size` voters, of which `tolerance` may be gone, on so many domains.
    ///
    /// A group that tolerates nothing keeps its members apart all the same. Where even an even
    /// spread puts too many into one domain, an even spread is what is left to ask for.
    pub fn new(size: u32, tolerance: u32, domains: u32) -> Self {
        let even = size.div_ceil(domains.max(1));
        let wanted = tolerance.max(1);
        Self { members_max: wanted.max(even), feasible: domains > 0 && even <= tolerance }
    }

    /// The same with at most so many members, because a policy says so.
    #[must_use]
    pub fn at_most(self, members_max: Option<u32>) -> Self {
        match members_max {
            Some(max) => Self { members_max: self.members_max.min(max), ..self },
            None => self,
        }
    }
}
