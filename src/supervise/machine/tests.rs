//! The supervisor, event by event.

use super::*;

use Action::{
    GiveTerminal, KillTree, NameUndying, Renew, SayTimeIsUp, Send, StartTimer, StopLikeTheOthers, StopSelf,
    TakeTerminal,
};
use Event::{Asked, Ended, LeaseLost, NotStopped, Stopped, TimeIsUp, TimerOver};
use Target::{Child, Group, GroupAndChild};

const KILL: [Action; 2] = [KillTree, StartTimer(LAST_BREATH)];
const WAKE: Action = Send(Group, Signal::CONT);

fn machine() -> Machine {
    Machine::new(Options::default(), SignalSet::EMPTY, Keyboard::ForCommand, Company::Alone)
}

fn with(options: Options) -> Machine {
    Machine::new(options, SignalSet::EMPTY, Keyboard::ForCommand, Company::Alone)
}

/// One in whose terminal the command is in the foreground.
fn handed_over() -> Machine {
    let mut m = machine();
    assert_eq!(m.start(Front::Ours), [GiveTerminal]);
    m
}

fn escalating() -> Machine {
    let mut m = with(Options { grace: Some(Duration::from_secs(10)), ..Options::default() });
    let _ = m.on(asked(Signal::TERM));
    m
}

fn asked(signal: Signal) -> Event {
    Asked(signal, Sender::Other, Front::NoTerminal)
}

#[test]
fn the_terminal_is_handed_over_at_once_only_if_it_is_ours_and_nobody_else_may_want_it() {
    for front in [Front::NoTerminal, Front::Command, Front::Elsewhere] {
        assert_eq!(machine().start(front), []);
    }
    let mut piped = Machine::new(Options::default(), SignalSet::EMPTY, Keyboard::Shared, Company::Others);
    assert_eq!(piped.start(Front::Ours), []);
    assert_eq!(machine().start(Front::Ours), [GiveTerminal]);
}

#[test]
fn a_command_that_stops_for_want_of_the_terminal_gets_it_as_often_as_it_needs() {
    let mut m = Machine::new(Options::default(), SignalSet::EMPTY, Keyboard::Shared, Company::Others);
    for by in [Signal::TTIN, Signal::TTOU] {
        assert_eq!(m.on(Stopped(by, Front::Ours)), [GiveTerminal, WAKE]);
    }
}

#[test]
fn a_stop_by_key_takes_the_terminal_back_and_stops_our_group_and_fg_undoes_both() {
    let mut m = handed_over();
    assert_eq!(m.on(Stopped(Signal::TSTP, Front::Command)), [TakeTerminal, StopSelf(Signal::TSTP)]);
    let fg = Asked(Signal::CONT, Sender::Other, Front::Ours);
    assert_eq!(m.on(fg), [Renew, GiveTerminal, WAKE]);
}

#[test]
fn bg_continues_the_command_without_the_terminal_and_the_end_takes_nothing_back() {
    let mut m = handed_over();
    let _ = m.on(Stopped(Signal::TSTP, Front::Command));
    assert_eq!(m.on(Asked(Signal::CONT, Sender::Other, Front::Elsewhere)), [Renew, WAKE]);
    assert_eq!(m.on(Ended(Status::Exited(0), Front::Elsewhere)), []);
}

#[test]
fn a_background_read_stops_us_as_it_stops_the_command_and_fg_hands_over() {
    let mut m = machine();
    assert_eq!(m.start(Front::Elsewhere), []);
    assert_eq!(m.on(Stopped(Signal::TTIN, Front::Elsewhere)), [StopSelf(Signal::TTIN)]);
    assert_eq!(m.on(Asked(Signal::CONT, Sender::Other, Front::Ours)), [Renew, GiveTerminal, WAKE]);
}

#[test]
fn what_shares_the_keyboard_with_a_pager_gets_it_back_only_if_it_had_it() {
    let mut m = Machine::new(Options::default(), SignalSet::EMPTY, Keyboard::Shared, Company::Others);
    assert_eq!(m.on(Stopped(Signal::TSTP, Front::Ours)), [StopSelf(Signal::TSTP)]);
    assert_eq!(m.on(Asked(Signal::CONT, Sender::Other, Front::Ours)), [Renew, WAKE]);
    assert_eq!(m.on(Stopped(Signal::TTIN, Front::Ours)), [GiveTerminal, WAKE]);
    for _ in 0..2 {
        assert_eq!(m.on(Stopped(Signal::TSTP, Front::Command)), [TakeTerminal, StopSelf(Signal::TSTP)]);
        assert_eq!(m.on(Asked(Signal::CONT, Sender::Other, Front::Ours)), [Renew, GiveTerminal, WAKE]);
    }
    let _ = m.on(Stopped(Signal::TSTP, Front::Command));
    assert_eq!(m.on(Asked(Signal::CONT, Sender::Other, Front::Elsewhere)), [Renew, WAKE], "bg takes it");
    assert_eq!(m.on(Stopped(Signal::TTIN, Front::Elsewhere)), [StopSelf(Signal::TTIN)]);
    assert_eq!(m.on(Asked(Signal::CONT, Sender::Other, Front::Ours)), [Renew, WAKE], "it has to ask again");
}

#[test]
fn what_shares_the_keyboard_and_lost_it_to_another_job_has_to_ask_again() {
    let mut m = Machine::new(Options::default(), SignalSet::EMPTY, Keyboard::Shared, Company::Others);
    assert_eq!(m.on(Stopped(Signal::TTIN, Front::Ours)), [GiveTerminal, WAKE]);
    for front in [Front::Elsewhere, Front::Ours] {
        assert_eq!(m.on(Asked(Signal::CONT, Sender::Other, front)), [Renew, WAKE], "{front:?}");
    }
}

#[test]
fn without_a_terminal_a_stopped_command_does_not_stop_us() {
    for by in [Signal::STOP, Signal::TSTP, Signal::TTIN] {
        assert_eq!(machine().on(Stopped(by, Front::NoTerminal)), []);
    }
}

#[test]
fn a_stop_is_mirrored_as_it_was() {
    for by in [Signal::STOP, Signal::TTIN, Signal::TTOU, Signal::TSTP] {
        assert_eq!(machine().on(Stopped(by, Front::Elsewhere)), [StopSelf(by)]);
    }
}

#[test]
fn where_we_cannot_be_stopped_a_key_does_not_stop_the_command_either() {
    let mut m = handed_over();
    let _ = m.on(Stopped(Signal::TSTP, Front::Command));
    assert_eq!(m.on(NotStopped(Front::Ours)), [GiveTerminal, WAKE]);
}

#[test]
fn where_we_cannot_be_stopped_a_background_reader_is_left_stopped_instead_of_spinning() {
    for by in [Signal::TTIN, Signal::TTOU, Signal::STOP] {
        let mut m = machine();
        let _ = m.on(Stopped(by, Front::Elsewhere));
        assert_eq!(m.on(NotStopped(Front::Elsewhere)), []);
    }
}

#[test]
fn a_background_reader_that_is_brought_to_the_foreground_before_we_stop_gets_the_terminal() {
    let mut m = machine();
    let _ = m.on(Stopped(Signal::TTIN, Front::Elsewhere));
    assert_eq!(m.on(NotStopped(Front::Ours)), [GiveTerminal, WAKE]);
}

#[test]
fn whoever_continues_us_continues_the_command() {
    let mut m = handed_over();
    let _ = m.on(Stopped(Signal::TSTP, Front::Command));
    let by_command = Asked(Signal::CONT, Sender::Command, Front::Elsewhere);
    assert_eq!(m.on(by_command), [Renew, WAKE]);
    assert_eq!(m.on(by_command), [], "not suspended: what the command sends is not for itself");
}

#[test]
fn a_continue_while_the_command_has_the_foreground_leaves_it_there() {
    let mut m = handed_over();
    assert_eq!(m.on(Asked(Signal::CONT, Sender::Other, Front::Command)), [Renew, WAKE]);
    assert_eq!(m.on(Ended(Status::Exited(0), Front::Command)), [TakeTerminal]);
}

#[test]
fn keyboard_signals_go_to_the_group_and_the_others_to_the_child_alone() {
    for signal in [Signal::INT, Signal::QUIT, Signal::TSTP, Signal::WINCH] {
        assert_eq!(machine().on(asked(signal)), [Send(GroupAndChild, signal)]);
        let key = Asked(signal, Sender::Kernel, Front::Ours);
        assert_eq!(machine().on(key), [Send(Group, signal)]);
    }
    let single = [
        Signal::TERM,
        Signal::HUP,
        Signal::USR1,
        Signal::USR2,
        Signal::ALRM,
        Signal::ABRT,
        Signal(34),
        Signal(64),
    ];
    for signal in single {
        assert_eq!(machine().on(asked(signal)), [Send(Child, signal)]);
    }
}

#[test]
fn what_the_command_sends_to_its_parent_does_not_come_back_to_it() {
    for signal in [Signal::TERM, Signal::INT, Signal::USR1, Signal::CONT] {
        let mut m = machine();
        assert_eq!(m.on(Asked(signal, Sender::Command, Front::Ours)), []);
        assert!(!m.disturbed);
    }
}

#[test]
fn int_term_and_hup_disturb_and_the_others_do_not() {
    for (signal, disturbs) in [
        (Signal::INT, true),
        (Signal::TERM, true),
        (Signal::HUP, true),
        (Signal::USR1, false),
        (Signal::WINCH, false),
    ] {
        let mut m = machine();
        let _ = m.on(asked(signal));
        assert_eq!(m.disturbed, disturbs, "{signal}");
    }
}

#[test]
fn an_ignored_signal_is_passed_on_but_means_nothing_to_us() {
    let options = Options { grace: Some(Duration::from_secs(1)), ..Options::default() };
    let mut m =
        Machine::new(options, SignalSet::EMPTY.with(Signal::TERM), Keyboard::ForCommand, Company::Alone);
    assert_eq!(m.on(asked(Signal::TERM)), [Send(Child, Signal::TERM)]);
    assert_eq!((m.disturbed, m.pressure()), (false, Pressure::None));
    let _ = m.on(TimeIsUp);
    assert_eq!(m.on(asked(Signal::TERM)), [Send(Child, Signal::TERM)], "nor does it hurry the end");
}

#[test]
fn term_is_forwarded_and_nothing_more() {
    let mut m = machine();
    for _ in 0..3 {
        assert_eq!(m.on(asked(Signal::TERM)), [Send(Child, Signal::TERM)]);
    }
    assert_eq!(m.pressure(), Pressure::None);
}

#[test]
fn with_a_grace_term_becomes_kill() {
    let mut m = with(Options { grace: Some(Duration::from_secs(10)), ..Options::default() });
    let timer = StartTimer(Duration::from_secs(10));
    assert_eq!(m.on(asked(Signal::TERM)), [Send(Child, Signal::TERM), WAKE, timer]);
    assert_eq!(m.on(TimerOver), KILL);
    assert_eq!(m.pressure(), Pressure::Killed);
    assert_eq!(m.on(TimerOver), [NameUndying]);
}

#[test]
fn second_term_while_escalating_kills_the_tree() {
    assert_eq!(escalating().on(asked(Signal::TERM)), KILL);
}

#[test]
fn a_key_while_escalating_is_still_only_passed_on() {
    assert_eq!(escalating().on(asked(Signal::INT)), [Send(GroupAndChild, Signal::INT)]);
}

#[test]
fn a_timeout_interrupts_then_terminates_then_kills_within_one_grace() {
    let mut m = machine();
    let half = StartTimer(GRACE / 2);
    assert_eq!(m.on(TimeIsUp), [SayTimeIsUp, Send(GroupAndChild, Signal::INT), WAKE, half]);
    assert!(m.timed_out);
    assert_eq!(m.on(TimerOver), [Send(Child, Signal::TERM), WAKE, half]);
    assert_eq!(m.on(TimerOver), KILL);
}

#[test]
fn a_timeout_does_not_interrupt_what_ignores_it() {
    let mut m = Machine::new(
        Options::default(),
        SignalSet::EMPTY.with(Signal::INT),
        Keyboard::ForCommand,
        Company::Alone,
    );
    assert_eq!(m.on(TimeIsUp), [SayTimeIsUp, Send(Child, Signal::TERM), WAKE, StartTimer(GRACE)]);
}

#[test]
fn a_timeout_while_escalating_changes_nothing() {
    let mut m = escalating();
    assert_eq!(m.on(TimeIsUp), []);
    assert!(!m.timed_out);
}

#[test]
fn a_lost_lease_ends_the_command_only_on_demand() {
    assert_eq!(machine().on(LeaseLost), []);
    let mut m = with(Options { on_lost: OnLost::Terminate, ..Options::default() });
    assert_eq!(m.on(LeaseLost), [Send(Child, Signal::TERM), WAKE, StartTimer(GRACE)]);
    assert_eq!(m.on(LeaseLost), [], "the grace is not begun anew");
}

#[test]
fn who_stops_while_it_shall_end_is_continued_unless_that_would_spin() {
    assert_eq!(escalating().on(Stopped(Signal::TSTP, Front::Command)), [WAKE]);
    assert_eq!(escalating().on(Stopped(Signal::TTIN, Front::Elsewhere)), []);
    assert_eq!(escalating().on(Stopped(Signal::TTIN, Front::Ours)), [GiveTerminal, WAKE]);
}

#[test]
fn a_keys_death_in_the_foreground_is_owed_to_our_own_group() {
    for signal in [Signal::INT, Signal::QUIT] {
        assert_eq!(handed_over().owes_own_group(Status::Killed(signal)), Some(signal));
        assert_eq!(machine().owes_own_group(Status::Killed(signal)), None, "it had our copy of the key");
    }
    assert_eq!(handed_over().owes_own_group(Status::Killed(Signal::TERM)), None);
    assert_eq!(handed_over().owes_own_group(Status::Exited(130)), None);
}

#[test]
fn the_end_takes_the_terminal_back_where_the_command_had_it() {
    let ended = |front| Ended(Status::Exited(3), front);
    for front in [Front::Command, Front::Below] {
        assert_eq!(handed_over().on(ended(front)), [TakeTerminal]);
    }
    assert_eq!(machine().on(ended(Front::Command)), [TakeTerminal], "it took it itself");
    for front in [Front::Ours, Front::Below, Front::Elsewhere, Front::NoTerminal] {
        assert_eq!(machine().on(ended(front)), []);
    }
}

#[test]
fn whoever_has_taken_the_foreground_meanwhile_keeps_it() {
    assert_eq!(handed_over().on(Ended(Status::Exited(3), Front::Elsewhere)), []);
    let mut m = handed_over();
    assert_eq!(m.on(Stopped(Signal::TTIN, Front::Elsewhere)), [StopSelf(Signal::TTIN)]);
    assert_eq!(m.on(NotStopped(Front::Elsewhere)), []);
}

#[test]
fn who_shares_our_group_and_wants_the_keyboard_gets_it_and_the_command_asks_from_then_on() {
    for wants in [Signal::TTIN, Signal::TTOU] {
        let mut m = handed_over();
        assert_eq!(m.on(Asked(wants, Sender::Kernel, Front::Command)), [StopLikeTheOthers(wants)]);
        assert_eq!(m.on(Asked(Signal::CONT, Sender::Other, Front::Ours)), [Renew, WAKE]);
        assert_eq!(m.on(Stopped(wants, Front::Ours)), [GiveTerminal, WAKE]);
    }
}

#[test]
fn a_continue_that_took_away_the_wish_for_the_keyboard_tells_of_it() {
    let handed_over = |company| {
        let mut m = Machine::new(Options::default(), SignalSet::EMPTY, Keyboard::ForCommand, company);
        let _ = m.start(Front::Ours);
        m
    };
    let continued = Asked(Signal::CONT, Sender::Other, Front::Ours);
    let mut m = handed_over(Company::Others);
    assert_eq!(m.on(continued), [Renew, WAKE]);
    assert_eq!(m.on(Stopped(Signal::TTIN, Front::Ours)), [GiveTerminal, WAKE], "it has to ask");
    // Nobody else could have wanted it, or the command was stopped by a key.
    assert_eq!(handed_over(Company::Alone).on(continued), [Renew, GiveTerminal, WAKE]);
    let mut m = handed_over(Company::Others);
    let _ = m.on(Stopped(Signal::TSTP, Front::Command));
    assert_eq!(m.on(continued), [Renew, GiveTerminal, WAKE]);
}
