//! What has ended is counted, by account, kind and GPU.

use crate::support::host::{BOTH_STORES, Host, can_be_others, me};

#[test]
fn ended_and_current_reservations_are_counted_once_for_each_gpu() {
    for store in BOTH_STORES {
        let host = Host::on(store, 4);
        host.me().does(&["-g", "2", "--", "true"]);
        assert_eq!(host.me().runs(&["--", "false"]).code, Some(1));
        host.me().does(&["reserve", "-g", "3"]);
        host.me().does(&["release"]);
        host.me().does(&["reserve"]);
        let report = host.json(&["report", "--days", "7"]);
        assert_eq!(report["days"], 7);
        assert_eq!(report["unique_users"], 1);
        assert_eq!(report["total_reservations"], 7);
        let user = &report["users"][0];
        assert_eq!(
            (&user["name"], &user["run_count"], &user["manual_count"]),
            (&me().into(), &3.into(), &4.into())
        );
        assert!(user["gpu_hours"].as_f64().unwrap() > 0.0, "{report}");
        assert_eq!(user["percentage"], 100.0);
        for date in ["start_date", "end_date"] {
            assert_eq!(report[date].as_str().unwrap().len(), 10, "{report}");
        }
        let text = host.me().does(&["report"]).stdout;
        assert!(text.contains("7 reservations by 1 user"), "{text}");
    }
}

#[test]
fn every_account_has_its_own_line_and_labels_are_told_apart() {
    if !can_be_others() {
        return;
    }
    let host = Host::with_gpus(1);
    host.user(1).does(&["--", "true"]);
    host.user(2).does(&["-u", "ann", "--", "true"]);
    host.user(2).does(&["-u", "ben", "--", "true"]);
    let report = host.json(&["report"]);
    let mut names: Vec<&str> =
        report["users"].as_array().unwrap().iter().map(|user| user["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["uid 23001", "uid 23002 (ann)", "uid 23002 (ben)"]);
}

#[test]
fn a_reservation_that_expired_counts_up_to_its_expiry() {
    let host = Host::with_gpus(1);
    host.me().does(&["reserve", "-d", "100ms"]);
    host.shows(0, "AVAILABLE (last released");
    let report = host.json(&["report"]);
    assert_eq!(report["total_reservations"], 1);
    let hours = report["total_gpu_hours"].as_f64().unwrap();
    assert!((hours * 3600.0 - 0.1).abs() < 0.05, "{report}");
}

#[test]
fn nothing_was_reserved_is_an_answer() {
    let host = Host::with_gpus(1);
    let report = host.json(&["report"]);
    assert_eq!(
        (report["total_reservations"].as_u64(), report["users"].as_array().map(Vec::len)),
        (Some(0), Some(0))
    );
}
