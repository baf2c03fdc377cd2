//! Reasons, one by one and together.

use super::*;
use crate::model::ids::{LeaseId, Pid};
use crate::model::seen::Unknown;
use crate::output::status::scene::{NOW, ago, holder};

pub(in crate::output) fn blocked(gpu: u32, why: Why) -> Blocker {
    Blocker { gpu: GpuIndex(gpu), why }
}

pub(in crate::output) fn run_of(account: &str, since: i64) -> Why {
    let id = LeaseId(format!("{account}-{since}"));
    Why::Reserved { id, by: holder(account), kind: Kind::Run, since: ago(since), expiry: None }
}

pub(in crate::output) fn used_by(name: Option<&str>) -> Why {
    let user = User { name: name.map(Into::into), pid: Pid(812), process: "python3".into() };
    Why::Used { by: vec![user] }
}

#[test]
fn blockers_of_one_holder_are_counted_together() {
    let blockers = [
        blocked(0, run_of("alice", 10_920)),
        blocked(1, run_of("alice", 60)),
        blocked(2, used_by(Some("bob"))),
    ];
    let now = Ages::At(NOW);
    assert_eq!(
        counted(&blockers, now),
        "2 reserved by alice (run, 3h 2m), 1 in use without reservation by bob"
    );
    assert_eq!(
        listed(&blockers, now),
        "GPU 0, 1 reserved by alice (run, 3h 2m); GPU 2 in use without reservation by bob"
    );
    assert_eq!(
        counted(&blockers, Ages::Omitted),
        "2 reserved by alice (run), 1 in use without reservation by bob"
    );
}

#[test]
fn a_manual_reservation_says_what_is_left_of_it() {
    let manual = |left: i64| Why::Reserved {
        id: LeaseId("m".into()),
        by: holder("carol"),
        kind: Kind::Manual,
        since: ago(60),
        expiry: Some(ago(-left)),
    };
    let blockers = [blocked(0, manual(7200)), blocked(1, manual(600))];
    assert_eq!(
        counted(&blockers, Ages::At(NOW)),
        "2 reserved by carol (manual, 10m left)",
        "the first to end"
    );
}

#[test]
fn every_reason_has_its_words() {
    let all = [
        blocked(0, Why::Draining),
        blocked(1, Why::SetAside { for_holder: holder("dora") }),
        blocked(2, Why::Unknown(Unknown::Lost)),
        blocked(3, Why::Seat { by: Some("carol".into()) }),
        blocked(4, Why::Seat { by: None }),
        blocked(5, Why::Damaged),
        blocked(6, used_by(None)),
    ];
    insta::assert_snapshot!(
        "reasons",
        format!(
            "{}\n\n{}\n\n{}",
            counted(&all, Ages::At(NOW)),
            listed(&all, Ages::At(NOW)),
            all.iter().map(|blocker| sentence(blocker, NOW)).collect::<Vec<_>>().join("\n")
        )
    );
}
