//! Groups that are weak whatever their placement: members are missing, or none may be.

use super::counted::Counted;
use super::remedies::Remedies;
use super::report::{Finding, Kind, Severity};
use super::words;

/// What is said of a group that has fewer voters than it should.
pub(super) fn missing(counted: &Counted<'_>) -> Option<Finding> {
    let standing = &counted.standing;
    let (size, placed, needed) = (standing.size, standing.placed, counted.needed());
    if placed >= size {
        return None;
    }
    let fragile = standing.tolerance < counted.tolerance_full();
    let exposed = fragile
        && standing.levels.iter().any(|level| level.domains > 1 && !level.lost_by.is_empty());
    let stand = match placed {
        0 => format!("none of its {} stands on a node", words::voters(size)),
        1 => format!("1 of {} stands on a node", words::voters(size)),
        placed => format!("{placed} of {} stand on nodes", words::voters(size)),
    };
    let (severity, meaning) = if placed < needed {
        (Severity::Critical, format!("{needed} are needed, so that there is no quorum"))
    } else if exposed {
        let more = standing.tolerance + 1;
        (
            Severity::High,
            format!("the loss of {more} more takes the quorum ({})", words::rule(counted)),
        )
    } else {
        (Severity::Medium, format!("{} may still be gone", standing.tolerance))
    };
    let key = &standing.key;
    Some(Finding {
        text: format!("{stand}; {meaning}"),
        remedy: format!(
            "quorate explain POD --namespace {} says what a waiting member needs; if no pod waits, \
             ask its operator",
            key.namespace
        ),
        takes_quorum: placed >= needed && exposed,
        ..Finding::about(counted, severity, Kind::MembersMissing)
    })
}

/// What is said of a group of several voters of which none may be gone.
pub(super) fn untolerant(counted: &Counted<'_>, remedies: &Remedies<'_>) -> Option<Finding> {
    let size = counted.standing.size;
    if size < 2 || counted.tolerance_full() > 0 {
        return None;
    }
    Some(Finding {
        text: format!(
            "the loss of any one of its {} stops it, wherever they stand ({})",
            words::voters(size),
            words::rule(counted),
        ),
        remedy: remedies.tolerate(counted),
        ..Finding::about(counted, Severity::Low, Kind::Untolerant)
    })
}
