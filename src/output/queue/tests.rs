//! The line as a table and as the Go program's object.

use std::num::NonZeroU32;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::blockers::tests::{blocked, run_of, used_by};
use super::super::json::to_json;
use super::super::status::scene::{NOW, holder};
use super::*;
use crate::model::ids::LeaseId;
use crate::model::reservation::{Author, Kind};

fn waiter(id: &str, account: &str, demand: Demand, enqueued: i64) -> Waiter {
    Waiter {
        id: LeaseId(id.into()),
        in_use: crate::model::request::InUse::Avoid,
        share: None,
        holder: holder(account),
        demand,
        kind: Kind::Run,
        lasts: None,
        note: None,
        enqueued: Timestamp(enqueued),
        looked: Timestamp(enqueued + 426_749),
        give_up: None,
        client: None,
        author: Author::Ours,
        allocated: Vec::new(),
    }
}

fn standing(position: usize, waiter: &Waiter, blocked_by: Vec<Blocker>) -> Standing {
    let Waiter { enqueued, give_up, .. } = *waiter;
    Standing { position, enqueued, give_up, available: vec![], blocked_by, share: None, behind: None }
}

/// The line that the Go program's fixture shows.
pub(in crate::output) fn line_of_two() -> QueueView {
    let three = Demand::Count(NonZeroU32::new(3).unwrap());
    let carol = Waiter {
        allocated: vec![GpuIndex(0)],
        give_up: Some(Timestamp(1_795_446_062_191_613_754)),
        ..waiter("107024fc", "carol", three, 1_795_445_462_191_613_754)
    };
    let dave = Waiter {
        kind: Kind::Manual,
        lasts: Some(Duration::from_nanos(14_399_999_376_851)),
        note: Some("later".into()),
        ..waiter("8fd4c49d", "dave", Demand::Exactly(vec![GpuIndex(3)]), 1_795_445_465_195_625_337)
    };
    let blocked_by = vec![blocked(1, run_of("alice", 7)), blocked(3, used_by(Some("bob")))];
    let first = standing(1, &carol, blocked_by);
    let second = standing(2, &dave, vec![blocked(3, Why::SetAside { for_holder: holder("carol") })]);
    QueueView { now: NOW, waiting: vec![(carol, first), (dave, second)] }
}

fn text(view: &QueueView) -> String {
    queue(view, Room::Endless).iter().map(Line::plain).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_line_says_who_waits_for_what_and_why() {
    insta::assert_snapshot!("queue", text(&line_of_two()));
}

#[test]
fn every_width_has_its_layout() {
    for columns in [60, 80, 120, 200] {
        let lines = queue(&line_of_two(), Room::of(Some(columns)));
        assert!(lines.iter().all(|line| line.width() <= columns), "{columns}");
        insta::assert_snapshot!(
            format!("{columns}"),
            lines.iter().map(Line::plain).collect::<Vec<_>>().join("\n")
        );
    }
}

#[test]
fn an_empty_line_says_so() {
    assert_eq!(text(&QueueView { now: NOW, waiting: vec![] }), "Nobody is waiting.");
}

#[test]
fn hostile_waiters_are_escaped_and_cut() {
    let mut view = line_of_two();
    view.waiting[1].0.note = Some("\x1b[2J\n".repeat(50));
    view.waiting[1].0.holder = holder("d\u{202e}ave");
    let text = text(&view);
    assert_eq!(text.lines().count(), 4);
    assert!(!text.contains(['\x1b', '\u{202e}']));
    assert!(text.lines().all(|line| super::super::escape::width(line) < 300), "{text}");
}

#[test]
fn the_json_is_the_go_programs_object_with_more_fields() {
    let theirs = json!({
        "entries": [
            {
                "id": "107024fc", "user": "carol", "actual_user": "carol", "requested_count": 3,
                "allocated_gpus": [0], "reservation_type": "run",
                "enqueue_time": "2026-11-23T14:51:02.191613754Z",
                "last_heartbeat": "2026-11-23T14:51:02.192040503Z",
                "wait_timeout": "2026-11-23T15:01:02.191613754Z"
            },
            {
                "id": "8fd4c49d", "user": "dave", "actual_user": "dave", "requested_count": 1,
                "requested_ids": [3], "allocated_gpus": [], "reservation_type": "manual",
                "expiry_duration": 14_399_999_376_851_u64, "note": "later",
                "enqueue_time": "2026-11-23T14:51:05.195625337Z",
                "last_heartbeat": "2026-11-23T14:51:05.196052086Z"
            }
        ],
        "total_waiting": 2, "total_gpus_requested": 4, "total_gpus_allocated": 1
    });
    let mut ours: Value = serde_json::from_str(&to_json(&queue_json(&line_of_two())).unwrap()).unwrap();
    assert_eq!(ours["entries"][0]["position"], 1);
    assert_eq!(ours["entries"][0]["waited_seconds"], 5);
    assert_eq!(
        ours["entries"][0]["blocked_by"],
        json!([
            {"gpu_id": 1, "reason": "reserved", "users": ["alice"]},
            {"gpu_id": 3, "reason": "unreserved", "users": ["bob"]}
        ])
    );
    for entry in ours["entries"].as_array_mut().unwrap() {
        let entry = entry.as_object_mut().unwrap();
        entry.retain(|field, _| !["position", "blocked_by", "waited_seconds"].contains(&field.as_str()));
    }
    assert_eq!(ours, theirs);
}

#[test]
fn a_label_stands_for_the_user_and_the_account_beside_it() {
    let mut view = line_of_two();
    view.waiting[0].0.holder.label = Some("night\x1bly".into());
    let json = to_json(&queue_json(&view)).unwrap();
    assert!(json.contains(r#""user": "night\u001bly""#), "{json}");
    assert!(json.contains(r#""actual_user": "carol""#));
}
