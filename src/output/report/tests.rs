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
    let lines = report(&view());
    let widths: Vec<usize> = lines[2..7].iter().map(Line::width).collect();
    assert!(widths.iter().all(|width| *width == widths[0]), "{widths:?}");
    insta::assert_snapshot!("report", lines.iter().map(Line::plain).collect::<Vec<_>>().join("\n"));
}

#[test]
fn an_empty_report_says_so() {
    let empty = ReportView { users: vec![], ..view() };
    assert_eq!(report(&empty)[1].plain(), "No reservations in that time.");
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
