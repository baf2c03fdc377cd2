//! What becomes of a reservation that is over.

use super::*;
use crate::model::reservation::Ending;

/// 2026-11-23T14:51:00Z.
const BASE: i64 = 1_795_445_460;

fn at(seconds: f64) -> Timestamp {
    #[expect(clippy::cast_possible_truncation, reason = "small in tests")]
    let nanos = (seconds * 1e9).round() as i64;
    Timestamp(Timestamp::from_seconds(BASE).0 + nanos)
}

fn reservation(account: &str, label: Option<&str>, kind: Kind, gpus: &[u32], started: f64) -> Reservation {
    let holder = Holder { label: label.map(str::to_owned), ..Holder::account(1, account) };
    let (started, heartbeat) = (at(started), at(started));
    Reservation { kind, started, heartbeat, ..Reservation::bare("x", holder, gpus) }
}

fn ended(reservation: Reservation, end: f64) -> Ended {
    Ended { reservation, at: at(end), how: Ending::Released }
}

fn wide() -> Window {
    Window { from: at(-30.0 * 86_400.0), to: at(10.0) }
}

fn close(left: f64, right: f64) -> bool {
    (left - right).abs() < 1e-7
}

#[test]
fn the_report_agrees_with_what_the_go_program_printed_of_the_same_moment() {
    // It looked at its clock once for the runs and again for each manual GPU.
    let (now, later) = (at(8.497_338_669), at(8.497_640_023));
    let mut report = Report::new(wide());
    report.add(&ended(reservation("alice", None, Kind::Manual, &[0], 0.0), 0.618_770_377));
    report.add(&ended(reservation("bob", None, Kind::Run, &[3], 0.0), 1.126_736_542));
    report.add_current(&reservation("carol", None, Kind::Run, &[0], 8.193_677_832), now);
    report.add_current(&reservation("alice", Some("Alice L."), Kind::Run, &[1], 1.685_440_543), now);
    report.add_current(&reservation("bob", None, Kind::Manual, &[2, 3], 2.0), later);
    let summary = report.finish();

    let lines: Vec<_> =
        summary.users.iter().map(|u| (u.name.as_str(), u.run_count, u.manual_count)).collect();
    assert_eq!(lines, [("bob", 1, 2), ("alice (Alice L.)", 1, 0), ("alice", 0, 1), ("carol", 1, 0)]);
    assert_eq!(summary.total_reservations, 6);
    // The Go program counts a run that is held from its last heartbeat, so those moments stand as the starts above.
    assert!(close(summary.total_gpu_hours, 0.006_071_207_202_5), "{}", summary.total_gpu_hours);
    let expected = [
        (0.003_922_782_385_833, 64.612_889),
        (0.001_892_193_923_888, 31.166_683),
        (0.000_171_880_660_277, 2.831_079),
        (0.000_084_350_232_5, 1.389_349),
    ];
    for (user, (gpu_hours, percentage)) in summary.users.iter().zip(expected) {
        assert!(close(user.gpu_hours, gpu_hours), "{user:?}");
        assert!((user.percentage - percentage).abs() < 1e-3, "{user:?}");
    }
}

#[test]
fn what_is_held_is_counted_from_its_start_and_not_from_its_heartbeat() {
    let mut held = reservation("a", None, Kind::Run, &[0, 1], 0.0);
    held.heartbeat = at(3599.0);
    let mut report = Report::new(Window { from: at(-1.0), to: at(3600.0) });
    report.add_current(&held, at(3600.0));
    let summary = report.finish();
    assert!(close(summary.total_gpu_hours, 2.0));
    assert_eq!(summary.users[0].run_count, 2, "once for each GPU");
}

#[test]
fn only_the_part_inside_the_window_counts() {
    let window = Window { from: at(0.0), to: at(3600.0) };
    let mut report = Report::new(window);
    report.add(&ended(reservation("a", None, Kind::Run, &[0], -7200.0), 1800.0));
    report.add(&ended(reservation("b", None, Kind::Run, &[0], -7200.0), -1.0));
    report.add_current(&reservation("c", None, Kind::Manual, &[1], 1800.0), at(9000.0));
    let summary = report.finish();
    let names: Vec<_> = summary.users.iter().map(|u| u.name.as_str()).collect();
    assert_eq!(names, ["a", "c"], "b was over before");
    assert!(summary.users.iter().all(|u| close(u.gpu_hours, 0.5)));
}

#[test]
fn a_reservation_past_its_expiry_counts_up_to_it() {
    let mut held = reservation("a", None, Kind::Manual, &[0], 0.0);
    held.expiry = Some(at(1800.0));
    let mut report = Report::new(Window { from: at(0.0), to: at(7200.0) });
    report.add_current(&held, at(7200.0));
    assert!(close(report.finish().total_gpu_hours, 0.5));
}

#[test]
fn an_empty_report_has_no_hours_and_divides_nothing() {
    let mut report = Report::new(wide());
    report.add(&ended(reservation("a", None, Kind::Run, &[0], 1.0), 1.0));
    let summary = report.finish();
    assert!(close(summary.users[0].percentage, 0.0));
    assert_eq!(
        Report::new(wide()).finish(),
        Summary { users: Vec::new(), total_gpu_hours: 0.0, total_reservations: 0 }
    );
}

#[test]
fn an_end_before_the_start_is_no_negative_time() {
    let mut report = Report::new(wide());
    report.add(&ended(reservation("a", None, Kind::Run, &[0], 5.0), 2.0));
    assert!(close(report.finish().total_gpu_hours, 0.0));
}
