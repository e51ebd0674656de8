//! Each rule of the protocol, as a script of what the API server does and what must follow.

use std::time::Duration;

use super::*;
use crate::api::Node;
use crate::model::{Instant, PodKey};

/// A watch on a clock of whole milliseconds, without jitter.
struct Rig {
    watch: Watch<Node>,
    now: Instant,
}

impl Rig {
    fn new() -> Self {
        Self { watch: Watch::new(), now: Instant(0) }
    }

    /// A rig whose first streaming list showed these nodes and ended at version 100.
    fn synced(nodes: &[(&str, &str, &str)]) -> Self {
        let mut rig = Self::new();
        assert_eq!(rig.next(), streaming());
        for (name, uid, version) in nodes {
            rig.event(upsert(name, uid, version));
        }
        rig.event(end_of_list("100"));
        rig.watch.take_changes();
        rig
    }

    fn pass(&mut self, milliseconds: u64) -> &mut Self {
        self.now = self.now.plus(Duration::from_millis(milliseconds));
        self
    }

    fn next(&mut self) -> Step {
        self.watch.next(self.now, 0)
    }

    fn event(&mut self, event: StreamEvent<Node>) -> &mut Self {
        self.watch.event(self.now, event, 0);
        self
    }

    fn page(&mut self, nodes: &[(&str, &str, &str)], version: &str, token: &str) -> &mut Self {
        let page = Page {
            items: nodes.iter().map(|(n, u, v)| node(n, u, v)).collect(),
            unreadable: Vec::new(),
            resource_version: version.into(),
            continue_token: token.into(),
        };
        self.watch.page(self.now, page);
        self
    }

    fn failed(&mut self, code: u16, reason: &str) -> &mut Self {
        let failure = Failure::with_code(code, reason);
        self.watch.failed(self.now, &failure, 0);
        self
    }

    fn ended(&mut self) -> &mut Self {
        self.watch.ended(self.now, 0);
        self
    }

    /// The changes so far, as `+name uid version` and `-name uid`.
    fn changes(&mut self) -> Vec<String> {
        self.watch
            .take_changes()
            .into_iter()
            .map(|change| match change {
                Change::Upsert(node) => {
                    let meta = &node.metadata;
                    format!("+{} {} {}", meta.name, meta.uid, meta.resource_version)
                }
                Change::Delete { key, uid } => format!("-{} {uid}", key.name),
            })
            .collect()
    }
}

fn node(name: &str, uid: &str, version: &str) -> Node {
    let mut node = Node::default();
    node.metadata.name = name.into();
    node.metadata.uid = uid.into();
    node.metadata.resource_version = version.into();
    node
}

fn upsert(name: &str, uid: &str, version: &str) -> StreamEvent<Node> {
    StreamEvent::Upsert(node(name, uid, version))
}

fn deleted(name: &str, uid: &str, version: &str) -> StreamEvent<Node> {
    StreamEvent::Deleted(node(name, uid, version))
}

fn bookmark(version: &str) -> StreamEvent<Node> {
    StreamEvent::Bookmark { resource_version: version.into(), ends_list: false }
}

fn end_of_list(version: &str) -> StreamEvent<Node> {
    StreamEvent::Bookmark { resource_version: version.into(), ends_list: true }
}

fn streaming() -> Step {
    Step::Send(Request::StreamingList { timeout_seconds: 200 })
}

fn watching(version: &str) -> Step {
    Step::Send(Request::Watch { resource_version: version.into(), timeout_seconds: 200 })
}

fn list(limit: Option<u32>, token: Option<&str>) -> Step {
    Step::Send(Request::List { limit, continue_token: token.map(Into::into) })
}

fn milliseconds(n: u64) -> Instant {
    Instant(n * 1_000_000)
}

#[test]
fn the_first_list_is_streamed_and_goes_on_as_a_watch() {
    let mut rig = Rig::new();
    assert_eq!(rig.next(), streaming());
    assert_eq!(rig.next(), Step::Listen(milliseconds(90_000)));
    rig.event(upsert("b", "2", "70")).event(upsert("a", "1", "60"));
    assert!(!rig.watch.is_synced());
    assert_eq!(rig.watch.heard(), None);
    assert_eq!(rig.changes(), ["+b 2 70", "+a 1 60"]);
    rig.pass(10).event(end_of_list("100"));
    assert!(rig.watch.is_synced());
    assert_eq!(rig.watch.heard(), Some(milliseconds(10)));
    assert_eq!(rig.next(), Step::Listen(milliseconds(90_010)));
    rig.event(upsert("a", "1", "101"));
    assert_eq!(rig.changes(), ["+a 1 101"]);
}

#[test]
fn what_a_watch_shows_is_delivered_once_and_in_order() {
    let check = |events: Vec<StreamEvent<Node>>, expected: &[&str]| {
        let mut rig = Rig::synced(&[("a", "1", "50"), ("b", "2", "60")]);
        for event in events {
            rig.event(event);
        }
        assert_eq!(rig.changes(), expected);
    };
    check(vec![upsert("a", "1", "101")], &["+a 1 101"]);
    check(vec![deleted("a", "1", "101")], &["-a 1"]);
    // Repetitions, and versions from before the list.
    check(vec![upsert("a", "1", "101"), upsert("a", "1", "101")], &["+a 1 101"]);
    check(vec![upsert("a", "1", "50"), upsert("c", "3", "99")], &[]);
    check(vec![deleted("a", "1", "100")], &[]);
    check(vec![upsert("a", "1", "105"), upsert("b", "2", "103")], &["+a 1 105"]);
    // Recreated under the same name, with and without its delete.
    check(vec![deleted("a", "1", "101"), upsert("a", "9", "102")], &["-a 1", "+a 9 102"]);
    check(vec![upsert("a", "9", "102")], &["-a 1", "+a 9 102"]);
    check(vec![deleted("a", "9", "102")], &["-a 1", "-a 9"]);
    // A delete of what was never shown still arrives.
    check(vec![deleted("c", "3", "101")], &["-c 3"]);
    // Versions that are no numbers are taken as new, unless nothing changed.
    check(vec![upsert("a", "1", "x"), upsert("a", "1", "x"), upsert("a", "1", "y")], &["+a 1 y"]);
}

#[test]
fn a_relist_becomes_the_changes_that_lead_to_it() {
    let check = |listed: &[(&str, &str, &str)], expected: &[&str]| {
        let before = [("a", "1", "50"), ("b", "2", "60"), ("c", "3", "70")];
        let mut rig = Rig::synced(&before);
        rig.failed(410, "Expired").pass(800);
        assert_eq!(rig.next(), streaming());
        for (name, uid, version) in listed {
            rig.event(upsert(name, uid, version));
        }
        rig.event(end_of_list("200"));
        assert_eq!(rig.changes(), expected, "streamed");

        let mut rig = Rig::synced(&before);
        rig.failed(410, "Expired").pass(800);
        assert_eq!(rig.next(), streaming());
        rig.failed(422, "Invalid");
        assert_eq!(rig.next(), list(Some(PAGE_LIMIT), None));
        let (first, second) = listed.split_at(listed.len() / 2);
        rig.page(first, "200", "more").page(second, "200", "");
        assert_eq!(rig.changes(), expected, "in pages");
    };
    let same = [("a", "1", "50"), ("b", "2", "60"), ("c", "3", "70")];
    check(&same, &[]);
    check(&[], &["-a 1", "-b 2", "-c 3"]);
    check(&[("b", "2", "60")], &["-a 1", "-c 3"]);
    check(
        &[("a", "1", "150"), ("b", "2", "60"), ("c", "3", "70"), ("d", "4", "151")],
        &["+a 1 150", "+d 4 151"],
    );
    check(&[("a", "9", "150"), ("b", "2", "60"), ("c", "3", "70")], &["-a 1", "+a 9 150"]);
    // After a restore from a backup versions are given anew.
    check(&[("a", "9", "50"), ("b", "2", "60"), ("c", "3", "70")], &["-a 1", "+a 9 50"]);
}

#[test]
fn an_expired_version_leads_to_a_relist_and_other_failures_to_the_watch_again() {
    let check = |code: u16, reason: &str, expected: Step| {
        let mut rig = Rig::synced(&[]);
        rig.failed(code, reason);
        assert_eq!(rig.next(), Step::Wait(milliseconds(800)), "{code} {reason}");
        assert_eq!(rig.pass(800).next(), expected, "{code} {reason}");

        let mut rig = Rig::synced(&[]);
        rig.event(StreamEvent::Error(Failure::with_code(code, reason)));
        assert_eq!(rig.pass(800).next(), expected, "event {code} {reason}");
    };
    check(410, "Expired", streaming());
    check(410, "Gone", streaming());
    check(410, "", streaming());
    check(0, "Expired", streaming());
    check(504, "ResourceVersionTooLarge", streaming());
    check(400, "BadRequest", streaming());
    check(0, "", watching("100"));
    check(401, "Unauthorized", watching("100"));
    check(403, "Forbidden", watching("100"));
    check(429, "TooManyRequests", watching("100"));
    check(500, "InternalError", watching("100"));
    check(504, "Timeout", watching("100"));
}

#[test]
fn a_server_without_streaming_lists_is_asked_for_pages_ever_after() {
    for code in [400, 422] {
        let mut rig = Rig::new();
        assert_eq!(rig.next(), streaming());
        rig.failed(code, "Invalid");
        assert_eq!(rig.next(), list(Some(PAGE_LIMIT), None));
        rig.page(&[("a", "1", "5")], "80", "token-1");
        assert!(!rig.watch.is_synced());
        assert_eq!(rig.next(), list(Some(PAGE_LIMIT), Some("token-1")));
        rig.page(&[("b", "2", "6")], "80", "");
        assert!(rig.watch.is_synced());
        assert_eq!(rig.next(), watching("80"));
        assert_eq!(rig.changes(), ["+a 1 5", "+b 2 6"]);
        rig.failed(410, "Expired").pass(800);
        assert_eq!(rig.next(), list(Some(PAGE_LIMIT), None));
    }
}

#[test]
fn streams_that_break_off_three_times_give_way_to_one_list_in_pages() {
    let mut rig = Rig::new();
    for _ in 0..3 {
        assert_eq!(rig.next(), streaming());
        rig.event(upsert("a", "1", "5"));
        rig.ended().pass(30_000);
    }
    assert_eq!(rig.next(), list(Some(PAGE_LIMIT), None));
    rig.page(&[("a", "1", "5")], "80", "");
    assert_eq!(rig.changes(), ["+a 1 5"]);
    assert_eq!(rig.next(), watching("80"));
    rig.failed(410, "Expired").pass(30_000);
    assert_eq!(rig.next(), streaming());
}

#[test]
fn a_server_that_is_away_does_not_count_against_streaming() {
    let mut rig = Rig::new();
    for _ in 0..10 {
        assert_eq!(rig.next(), streaming());
        rig.failed(0, "").pass(30_000);
    }
}

#[test]
fn a_list_that_expires_between_pages_is_asked_for_whole() {
    let mut rig = Rig::new();
    rig.next();
    rig.failed(422, "Invalid").next();
    rig.page(&[("a", "1", "5"), ("b", "2", "6")], "80", "token-1").next();
    rig.failed(410, "Expired").pass(800);
    assert_eq!(rig.next(), list(None, None));
    rig.failed(500, "").pass(30_000);
    assert_eq!(rig.next(), list(None, None));
    rig.page(&[("a", "1", "5")], "90", "");
    assert_eq!(rig.changes(), ["+a 1 5", "-b 2"]);
    assert_eq!(rig.next(), watching("90"));
    rig.failed(410, "").pass(30_000);
    assert_eq!(rig.next(), list(Some(PAGE_LIMIT), None));
}

#[test]
fn an_object_that_cannot_be_read_is_not_taken_for_deleted() {
    let mut rig = Rig::synced(&[("a", "1", "50"), ("b", "2", "60")]);
    rig.failed(410, "Expired").pass(800).next();
    rig.failed(422, "Invalid").next();
    let page = Page {
        items: Vec::new(),
        unreadable: vec![PodKey::new("", "b"), PodKey::new("", "unknown")],
        resource_version: "200".into(),
        continue_token: "".into(),
    };
    rig.watch.page(rig.now, page);
    assert_eq!(rig.changes(), ["-a 1"]);
}

#[test]
fn bookmarks_and_events_move_the_version_forward_only() {
    let check = |events: Vec<StreamEvent<Node>>, expected: &str| {
        let mut rig = Rig::synced(&[]);
        for event in events {
            rig.event(event);
        }
        rig.failed(0, "").pass(800);
        assert_eq!(rig.next(), watching(expected));
    };
    check(vec![], "100");
    check(vec![bookmark("140")], "140");
    check(vec![bookmark("140"), bookmark("120")], "140");
    check(vec![upsert("a", "1", "150"), bookmark("140")], "150");
    check(vec![deleted("a", "1", "160")], "160");
}

#[test]
fn a_watch_that_ends_is_opened_again_at_once_unless_it_was_short() {
    let mut rig = Rig::synced(&[]);
    rig.pass(1000).ended();
    assert_eq!(rig.next(), watching("100"));
    rig.pass(999).ended();
    assert_eq!(rig.next(), Step::Wait(milliseconds(1999 + 800)));
}

#[test]
fn a_silent_watch_is_opened_again_and_then_everything_is_listed() {
    let mut rig = Rig::synced(&[]);
    assert_eq!(rig.pass(89_999).next(), Step::Listen(milliseconds(90_000)));
    assert_eq!(rig.pass(1).next(), watching("100"));
    assert_eq!(rig.watch.heard(), Some(milliseconds(0)));
    assert_eq!(rig.next(), Step::Listen(milliseconds(180_000)));
    assert_eq!(rig.pass(90_000).next(), streaming());

    let mut rig = Rig::synced(&[]);
    rig.pass(60_000).event(bookmark("110"));
    assert_eq!(rig.watch.heard(), Some(milliseconds(60_000)));
    assert_eq!(rig.next(), Step::Listen(milliseconds(150_000)));
}

#[test]
fn after_three_minutes_of_failures_everything_is_listed() {
    let mut rig = Rig::synced(&[]);
    rig.pass(179_999).failed(0, "").pass(800);
    assert_eq!(rig.next(), watching("100"));
    rig.failed(0, "").pass(30_000);
    assert_eq!(rig.next(), streaming());
}

#[test]
fn a_silent_list_is_given_up() {
    let mut rig = Rig::new();
    rig.next();
    rig.pass(50_000).event(upsert("a", "1", "5"));
    assert_eq!(rig.next(), Step::Listen(milliseconds(140_000)));
    assert_eq!(rig.pass(90_000).next(), Step::Wait(milliseconds(140_800)));
    assert_eq!(rig.pass(800).next(), streaming());
}

#[test]
fn failures_wait_longer_each_time_and_as_long_as_the_server_asks() {
    let check = |code: u16, retry_after: Option<u64>, expected_ms: &[u64]| {
        let mut rig = Rig::new();
        for expected in expected_ms {
            rig.next();
            let mut failure = Failure::with_code(code, "");
            failure.retry_after = retry_after.map(Duration::from_secs);
            rig.watch.failed(rig.now, &failure, 0);
            let due = rig.now.plus(Duration::from_millis(*expected));
            assert_eq!(rig.next(), Step::Wait(due), "{code}");
            rig.now = due;
        }
    };
    check(0, None, &[800, 1600, 3200, 5000, 5000]);
    check(403, None, &[800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000]);
    check(429, Some(2), &[2000, 2000, 3200]);
    check(429, Some(3600), &[60_000]);
}

#[test]
fn two_watches_of_a_process_do_not_end_together() {
    let timeouts = |random: u64| match Watch::<Node>::new().next(Instant(0), random) {
        Step::Send(Request::StreamingList { timeout_seconds }) => timeout_seconds,
        step => panic!("{step:?}"),
    };
    assert_eq!(timeouts(0), 200);
    assert_ne!(timeouts(7 << 10), timeouts(8 << 10));
    assert!(timeouts(u64::MAX) < 290);
}

#[test]
fn answers_that_come_too_late_change_nothing() {
    let mut rig = Rig::synced(&[]);
    rig.page(&[("a", "1", "5")], "300", "");
    assert_eq!(rig.changes(), [""; 0]);
    rig.failed(0, "");
    rig.event(upsert("a", "1", "101"));
    assert_eq!(rig.changes(), [""; 0]);
}

#[test]
fn a_version_is_reached_by_an_event_a_bookmark_or_a_new_list() {
    let check = |act: fn(&mut Rig), expected: bool| {
        let mut rig = Rig::synced(&[("a", "1", "50")]);
        rig.watch.reach(rig.now, Some("105".into()));
        assert!(!rig.watch.has_reached());
        act(&mut rig);
        assert_eq!(rig.watch.has_reached(), expected);
    };
    check(|rig| _ = rig.event(upsert("b", "2", "104")), false);
    check(|rig| _ = rig.event(upsert("b", "2", "105")), true);
    check(|rig| _ = rig.event(deleted("a", "1", "106")), true);
    check(|rig| _ = rig.event(bookmark("105")), true);
    let mut rig = Rig::synced(&[]);
    rig.watch.reach(rig.now, Some("100".into()));
    assert!(rig.watch.has_reached(), "the list was that new");
}

#[test]
fn a_watch_that_does_not_reach_a_version_soon_is_listed_again() {
    let mut rig = Rig::synced(&[("a", "1", "50")]);
    rig.watch.reach(rig.now, Some("105".into()));
    assert_eq!(rig.next(), Step::Listen(milliseconds(250)));
    rig.pass(250);
    assert_eq!(rig.next(), streaming());
    // Even if it fails first. A list that began before would not do.
    rig.failed(503, "");
    assert!(!rig.watch.has_reached());
    rig.pass(800);
    assert_eq!(rig.next(), streaming());
    rig.event(upsert("a", "1", "50")).event(end_of_list("3"));
    assert!(rig.watch.has_reached(), "versions may have begun anew");
    assert_eq!(rig.changes(), [""; 0]);
    assert_eq!(rig.next(), Step::Listen(milliseconds(91_050)));
}

#[test]
fn a_list_that_had_begun_before_is_given_the_watch_after_it() {
    let mut rig = Rig::new();
    assert_eq!(rig.next(), streaming());
    rig.watch.reach(rig.now, Some("105".into()));
    rig.pass(1000).event(end_of_list("100"));
    assert_eq!(rig.next(), Step::Listen(milliseconds(1250)));
    rig.event(bookmark("105"));
    assert!(rig.watch.has_reached());
}

#[test]
fn without_a_version_only_a_new_list_will_do() {
    let mut rig = Rig::new();
    assert_eq!(rig.next(), streaming());
    rig.watch.reach(rig.now, None);
    rig.event(end_of_list("100"));
    assert!(!rig.watch.has_reached(), "the list had begun before");
    assert_eq!(rig.next(), streaming());
    rig.event(end_of_list("101"));
    assert!(rig.watch.has_reached());
}

#[test]
fn an_object_without_a_name_is_passed_over() {
    let mut rig = Rig::synced(&[("a", "u1", "10"), ("", "u2", "11")]);
    assert!(rig.watch.is_synced());
    rig.event(upsert("", "u3", "101")).event(upsert("b", "u4", "102"));
    assert_eq!(rig.changes(), ["+b u4 102"]);
}

/// A rig of a kind that the API server need not know.
fn optional() -> Rig {
    Rig { watch: Watch::optional(), ..Rig::new() }
}

#[test]
fn a_kind_that_is_not_known_is_synced_and_looked_for_now_and_then() {
    let mut rig = optional();
    assert_eq!(rig.next(), streaming());
    rig.failed(404, "NotFound");
    assert!(rig.watch.is_synced() && rig.watch.is_absent());
    assert_eq!((rig.watch.lists(), rig.watch.heard()), (0, Some(Instant(0))));
    assert_eq!(rig.next(), Step::Wait(Instant(30_000_000_000)));
    assert_eq!(rig.pass(30_000).next(), streaming());
    rig.event(upsert("a", "1", "5")).event(end_of_list("6"));
    assert!(!rig.watch.is_absent());
    assert_eq!((rig.changes(), rig.watch.lists()), (vec!["+a 1 5".to_owned()], 1));
}

#[test]
fn what_was_shown_of_a_kind_is_gone_once_the_kind_is() {
    let mut rig = optional();
    rig.next();
    rig.event(upsert("a", "1", "5")).event(end_of_list("6")).changes();
    rig.pass(2_000).ended();
    assert!(matches!(rig.next(), Step::Send(Request::Watch { .. })));
    rig.failed(404, "NotFound");
    assert_eq!(rig.changes(), ["-a 1"]);
    assert!(rig.watch.is_absent());
    // A kind that has to be there is asked for again at once, and nothing of it is forgotten.
    let mut rig = Rig::synced(&[("a", "1", "5")]);
    rig.pass(2_000).ended().next();
    rig.failed(404, "NotFound");
    assert_eq!(rig.changes(), [""; 0]);
}

#[test]
fn a_goal_is_reached_by_an_answer_to_a_question_that_was_asked_after_it() {
    let mut rig = optional();
    rig.next();
    rig.failed(404, "NotFound");
    rig.watch.reach(rig.now, None);
    assert!(!rig.watch.has_reached());
    assert_eq!(rig.next(), streaming());
    rig.failed(404, "NotFound");
    assert!(rig.watch.has_reached());
    assert!(matches!(rig.next(), Step::Wait(_)));
    // The goal comes while the question is open: it is asked again.
    rig.pass(30_000).next();
    rig.watch.reach(rig.now, None);
    rig.failed(404, "NotFound");
    assert!(!rig.watch.has_reached());
    assert_eq!(rig.next(), streaming());
    rig.failed(404, "NotFound");
    assert!(rig.watch.has_reached());
}
