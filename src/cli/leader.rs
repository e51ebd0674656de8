//! The flags of leader election, which override the file as kube-scheduler's do.

use clap::builder::BoolishValueParser;

use crate::config::{EffectiveElection, GoDuration, LeaderElection};
use crate::kubernetes::Candidacy;

#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Leader election (overrides leaderElection of the file)")]
pub struct LeaderFlags {
    /// Whether to hold a lease before scheduling, so that one of several replicas does [default:
    /// true].
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
        default_missing_value = "true", value_parser = BoolishValueParser::new())]
    leader_elect: Option<bool>,
    /// How long others wait without a renewal before they take the lease [default: 15s].
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    leader_elect_lease_duration: Option<GoDuration>,
    /// How long a renewal that fails is tried before the process ends [default: 10s].
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    leader_elect_renew_deadline: Option<GoDuration>,
    /// The time between two attempts to take or to renew the lease [default: 2s].
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    leader_elect_retry_period: Option<GoDuration>,
    /// The kind of the lock; there is one [default: leases].
    #[arg(long, value_name = "KIND")]
    leader_elect_resource_lock: Option<String>,
    /// The name of the Lease [default: quorate].
    #[arg(long, value_name = "NAME")]
    leader_elect_resource_name: Option<String>,
    /// The namespace of the Lease [default: kube-system].
    #[arg(long, value_name = "NAMESPACE")]
    leader_elect_resource_namespace: Option<String>,
}

impl LeaderFlags {
    /// Puts what was given in the place of what the file says.
    pub fn apply(self, election: &mut LeaderElection) {
        let keep = |flag: Option<GoDuration>, field: &mut Option<GoDuration>| {
            *field = flag.or(*field);
        };
        election.leader_elect = self.leader_elect.or(election.leader_elect);
        keep(self.leader_elect_lease_duration, &mut election.lease_duration);
        keep(self.leader_elect_renew_deadline, &mut election.renew_deadline);
        keep(self.leader_elect_retry_period, &mut election.retry_period);
        let texts = [
            (self.leader_elect_resource_lock, &mut election.resource_lock),
            (self.leader_elect_resource_name, &mut election.resource_name),
            (self.leader_elect_resource_namespace, &mut election.resource_namespace),
        ];
        for (flag, field) in texts {
            if let Some(flag) = flag {
                *field = flag;
            }
        }
    }
}

/// What the daemon has to know.
pub fn candidacy(election: &EffectiveElection) -> Candidacy {
    Candidacy {
        namespace: election.namespace.clone(),
        name: election.name.clone(),
        lease_duration: election.lease_duration,
        renew_deadline: election.renew_deadline,
        retry_period: election.retry_period,
    }
}

pub fn duration(text: &str) -> Result<GoDuration, String> {
    GoDuration::parse(text).ok_or_else(|| "it is no duration such as 15s or 1m30s".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Flags {
        #[command(flatten)]
        leader: LeaderFlags,
    }

    /// What becomes of a file under these flags.
    fn applied(flags: &[&str], mut file: LeaderElection) -> LeaderElection {
        let arguments = ["quorate"].iter().chain(flags);
        Flags::try_parse_from(arguments).unwrap().leader.apply(&mut file);
        file
    }

    #[test]
    fn a_flag_that_is_given_wins_and_others_leave_the_file_alone() {
        let seconds = |n| Some(GoDuration::from_secs(n));
        let file = LeaderElection {
            leader_elect: Some(false),
            lease_duration: seconds(60),
            resource_name: "from-file".to_owned(),
            ..LeaderElection::default()
        };
        assert_eq!(applied(&[], file.clone()), file);
        let flags = [
            "--leader-elect",
            "--leader-elect-renew-deadline=20s",
            "--leader-elect-resource-name=from-flag",
        ];
        let expected = LeaderElection {
            leader_elect: Some(true),
            renew_deadline: seconds(20),
            resource_name: "from-flag".to_owned(),
            ..file
        };
        assert_eq!(applied(&flags, expected.clone()), expected);
        let off = applied(&["--leader-elect=false"], LeaderElection::default());
        assert_eq!(off.leader_elect, Some(false));
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        let parsed = Flags::try_parse_from(["quorate", "--leader-elect-retry-period", "2"]);
        let error = parsed.unwrap_err().to_string();
        assert!(error.contains("it is no duration such as 15s or 1m30s"), "{error}");
    }
}
