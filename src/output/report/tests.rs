//! The report as text and as the Go program's JSON.

use serde_json::{Value, json};

use super::super::json::to_json;
use super::*;

fn view() -> ReportView {
    let user = |name: &str, gpu_hours, percentage, run_count, manual_count| ReportUser {
        name: name.into(),
        gpu_hours,
        percentage,
        run_count,
        manual_count,
    };
    ReportView {
        users: vec![
            user("bob", 1203.5, 64.612_889, 1, 2),
            user("alice (山田\x1b[31m)", 601.25, 33.0, 14, 0),
            user("uid 23001", 0.004, 2.387, 0, 1),
        ],
        total_gpu_hours: 1804.754,
        total_reservations: 18,
        unique_users: 3,
        start: Timestamp::from_seconds(1_792_853_468),
        end: Timestamp::from_seconds(1_795_445_468),
        days: 30,
    }
}

#[test]
fn numbers_line_up_whatever_the_names() {
    let lines = report(&view(), Room::Endless);
    let widths: Vec<usize> = lines[2..7].iter().map(Line::width).collect();
    assert!(widths.iter().all(|width| *width == widths[0]), "{widths:?}");
    insta::assert_snapshot!("report", lines.iter().map(Line::plain).collect::<Vec<_>>().join("\n"));
}

#[test]
fn a_narrow_terminal_cuts_names_and_never_numbers() {
    let mut view = view();
    view.users[0].name = "a name that somebody chose to be rather long".into();
    for columns in [50, 60, 80] {
        let lines = report(&view, Room::CutOrBelow(columns));
        assert!(lines.iter().all(|line| line.width() <= columns), "{columns}");
        assert!(
            lines[3].plain().ends_with("1203.50   64.6%    1       2"),
            "{columns}: {}",
            lines[3].plain()
        );
    }
}

#[test]
fn one_is_not_many() {
    let users = vec![ReportUser {
        name: "bob".into(),
        gpu_hours: 1.0,
        percentage: 100.0,
        run_count: 1,
        manual_count: 0,
    }];
    let one = ReportView { users, total_reservations: 1, unique_users: 1, days: 1, ..view() };
    let lines = report(&one, Room::Endless);
    assert!(lines[0].plain().ends_with("(1 day)"), "{}", lines[0].plain());
    assert_eq!(lines.last().unwrap().plain(), "1 reservation by 1 user");
}

#[test]
fn an_empty_report_says_so() {
    let empty = ReportView { users: vec![], ..view() };
    assert_eq!(report(&empty, Room::Endless)[1].plain(), "No reservations in that time.");
}

#[test]
fn the_json_has_the_fields_of_the_go_program_in_its_order() {
    let text = to_json(&view()).unwrap();
    let parsed: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        parsed["users"][0],
        json!({"name": "bob", "gpu_hours": 1203.5, "percentage": 64.612_889, "run_count": 1, "manual_count": 2})
    );
    let places: Vec<_> =
        ["users", "total_gpu_hours", "total_reservations", "unique_users", "start_date", "end_date", "days"]
            .iter()
            .map(|field| text.find(&format!("\n  \"{field}\": ")).unwrap())
            .collect();
    assert!(places.is_sorted());
    assert_eq!([&parsed["start_date"], &parsed["end_date"]], ["2026-10-24", "2026-11-23"]);
}
