//! Worlds in which a rule is broken, each of which the judge must see, beside one in which none is.

use super::*;

const STARTED: Told = Told { started: true, ended: None };
const NEVER: Told = Told { started: false, ended: None };
const ENDED: Told = Told { started: true, ended: Some(7) };

const PEACE: Suffered = Suffered {
    signal: None,
    launcher_killed: false,
    command_killed: false,
    timeout: None,
    took: Duration::from_millis(100),
    patience: Patience::Endless,
    outage: false,
};

#[test]
fn a_run_ends_as_its_command_did_and_no_otherwise() {
    assert!(may_end_so(ENDED, &PEACE, 7));
    for status in [0, 1, 8, BUSY, FAILED, TIMED_OUT, KILLED, 130, 143] {
        assert!(!may_end_so(ENDED, &PEACE, status), "{status}");
    }
    // Nobody killed it, but it is gone; it never ran, but its status is told.
    for status in [0, 7, 75, 125, 130, 137, 143] {
        assert!(!may_end_so(STARTED, &PEACE, status), "{status}");
        assert!(!may_end_so(NEVER, &PEACE, status), "{status}");
    }
}

#[test]
fn a_signal_is_seen_in_the_status_unless_the_command_was_over() {
    let told = Suffered { signal: Some(libc::SIGINT), ..PEACE };
    assert!(may_end_so(STARTED, &told, 130) && may_end_so(NEVER, &told, 130) && may_end_so(ENDED, &told, 7));
    assert!(!may_end_so(STARTED, &told, 143) && !may_end_so(STARTED, &told, 0));
    assert!(!may_end_so(ENDED, &told, 130), "the command had taken leave already");
    let killed = Suffered { command_killed: true, ..PEACE };
    assert!(may_end_so(STARTED, &killed, 137) && !may_end_so(NEVER, &killed, 137));
    let launcher = Suffered { launcher_killed: true, ..PEACE };
    assert!(may_end_so(STARTED, &launcher, 137) && !may_end_so(STARTED, &launcher, 143));
}

#[test]
fn whoever_was_told_to_end_and_did_not_is_killed_when_the_grace_is_over_and_not_before() {
    let told = |signal, millis| Suffered { signal, took: Duration::from_millis(millis), ..PEACE };
    assert!(may_end_so(STARTED, &told(Some(libc::SIGTERM), 1_100), 137));
    assert!(!may_end_so(STARTED, &told(Some(libc::SIGTERM), 900), 137));
    assert!(!may_end_so(STARTED, &told(None, 1_100), 137), "nobody told it");
}

#[test]
fn a_time_that_is_not_over_ends_nothing() {
    let limited = |millis| Suffered { timeout: Some(Duration::from_millis(millis)), ..PEACE };
    assert!(may_end_so(STARTED, &limited(90), 124));
    assert!(!may_end_so(STARTED, &limited(200), 124), "the wall clock was believed");
}

#[test]
fn busy_and_failed_are_for_those_who_said_so_or_had_no_store() {
    let outage = Suffered { outage: true, ..PEACE };
    let impatient = Suffered { patience: Patience::None, ..PEACE };
    assert!(may_end_so(NEVER, &outage, FAILED) && may_end_so(NEVER, &impatient, BUSY));
    assert!(!may_end_so(NEVER, &outage, BUSY) && !may_end_so(NEVER, &impatient, FAILED));
    assert!(!may_end_so(STARTED, &outage, FAILED), "a command that ran must not be hidden by an outage");
}

#[test]
fn a_double_grant_is_never_forgiven() {
    let told = Told { started: false, ended: Some(hold::DOUBLE) };
    let anything = Suffered { outage: true, launcher_killed: true, command_killed: true, ..PEACE };
    assert!(!may_end_so(told, &anything, hold::DOUBLE));
}

fn shown(free: bool, by: Option<&str>) -> Shown {
    Shown { gpu: 2, free, reserved_by: by.map(str::to_owned) }
}

fn holding(record: Record) -> Holding {
    Holding { name: "run-1".to_owned(), record }
}

fn lives(_: &str) -> Standing {
    Standing::Lives
}

#[test]
fn a_gpu_that_is_held_is_not_free_whatever_became_of_its_record() {
    for record in [Record::Must, Record::May] {
        let wrong = gpu(&shown(true, None), Some(&holding(record)), lives);
        assert_eq!(wrong, Some(Wrong::HeldButFree { gpu: 2, name: "run-1".to_owned() }));
    }
    assert_eq!(gpu(&shown(false, None), Some(&holding(Record::May)), lives), None);
    assert_eq!(gpu(&shown(true, None), None, lives), None);
}

#[test]
fn a_live_run_has_its_own_record() {
    assert_eq!(gpu(&shown(false, Some("run-1")), Some(&holding(Record::Must)), lives), None);
    for by in [None, Some("run-2")] {
        let wrong = gpu(&shown(false, by), Some(&holding(Record::Must)), lives);
        assert!(matches!(wrong, Some(Wrong::NoRecord { .. })), "{wrong:?}");
    }
}

#[test]
fn the_dead_hold_nothing_and_what_was_given_back_stays_so() {
    let wrong = gpu(&shown(false, Some("run-1")), None, |_| Standing::Dead);
    assert_eq!(wrong, Some(Wrong::HeldByTheDead { gpu: 2, name: "run-1".to_owned() }));
    let wrong = gpu(&shown(false, Some("reserve-4")), None, |_| Standing::Released);
    assert_eq!(wrong, Some(Wrong::CameBack { gpu: 2, name: "reserve-4".to_owned() }));
}

fn in_line(starts: &[(Option<i64>, bool, bool)]) -> Vec<Served> {
    let one = |(at, killed, stopped): &(Option<i64>, bool, bool)| Served {
        name: format!("{at:?}"),
        at: *at,
        killed: *killed,
        stopped: *stopped,
    };
    starts.iter().map(one).collect()
}

#[test]
fn a_line_is_served_in_its_order_the_killed_never_and_the_stopped_when_they_are_back() {
    let good =
        [(Some(1), false, false), (None, true, false), (Some(9), false, true), (Some(2), false, false)];
    assert_eq!(line(&in_line(&good)), None);
    let overtaken = [(Some(2), false, false), (Some(1), false, false)];
    assert!(line(&in_line(&overtaken)).is_some_and(|wrong| wrong.contains("out of order")));
    let forgotten = [(Some(1), false, false), (None, false, false)];
    assert!(line(&in_line(&forgotten)).is_some_and(|wrong| wrong.contains("never started")));
    let waited_for = [(Some(1), false, true), (Some(2), false, false)];
    assert!(line(&in_line(&waited_for)).is_some_and(|wrong| wrong.contains("out of order")));
}
