//! Which leftovers are ended, waited for or left alone.

use super::super::leftovers::Life;
use super::*;

const HOME: Pid = Pid(10);

fn task(pid: i32, parent: i32, session: i32) -> Task {
    Task {
        pid: Pid(pid),
        name: "worker".into(),
        parent: Pid(parent),
        group: Pid(session),
        session: Pid(session),
        start: 1,
        life: Life::Alive,
    }
}

fn sessions(of: &[i32]) -> Scope {
    Scope::Sessions(of.iter().copied().map(Pid).collect())
}

fn gpu(pids: &[i32]) -> BTreeSet<Pid> {
    pids.iter().copied().map(Pid).collect()
}

/// A worker in the command's session, an agent in its own, a server in its own with a worker in another.
fn left() -> Vec<Task> {
    vec![task(20, 1, 10), task(30, 1, 30), task(40, 1, 40), task(50, 40, 50)]
}

#[test]
fn who_is_told_to_leave_them_leaves_them_and_who_is_told_to_kill_kills_all() {
    for ending in [Ending::Undisturbed, Ending::Disturbed, Ending::ToldToEnd] {
        assert_eq!(judge(Orphans::Leave, ending, HOME, &left(), &gpu(&[20])), Verdict::Release);
        assert_eq!(judge(Orphans::Kill, ending, HOME, &left(), &gpu(&[])), Verdict::End(Scope::All));
    }
}

#[test]
fn wait_waits_for_all_until_somebody_has_had_enough() {
    for ending in [Ending::Undisturbed, Ending::Disturbed] {
        assert_eq!(judge(Orphans::Wait, ending, HOME, &left(), &gpu(&[])), Verdict::WaitFor(Scope::All));
    }
    let enough = judge(Orphans::Wait, Ending::ToldToEnd, HOME, &left(), &gpu(&[]));
    assert_eq!(enough, Verdict::End(Scope::All));
}

#[test]
fn after_an_undisturbed_end_only_who_uses_a_gpu_is_waited_for() {
    let auto = |on_gpu: &[i32]| judge(Orphans::Auto, Ending::Undisturbed, HOME, &left(), &gpu(on_gpu));
    assert_eq!(auto(&[]), Verdict::Release, "a multiplexer keeps its server");
    assert_eq!(auto(&[20]), Verdict::WaitFor(sessions(&[10])));
    assert_eq!(auto(&[40]), Verdict::WaitFor(sessions(&[40])));
}

#[test]
fn after_a_disturbed_end_its_session_and_who_uses_a_gpu_are_ended_and_agents_are_left_alone() {
    for ending in [Ending::Disturbed, Ending::ToldToEnd] {
        let auto = |on_gpu: &[i32]| judge(Orphans::Auto, ending, HOME, &left(), &gpu(on_gpu));
        assert_eq!(auto(&[]), Verdict::End(sessions(&[10])));
        assert_eq!(auto(&[40]), Verdict::End(sessions(&[10, 40])));
        assert_eq!(auto(&[50]), Verdict::End(sessions(&[10, 40, 50])), "its master would start it anew");
    }
}

#[test]
fn with_nobody_left_in_the_scope_nothing_stands_in_the_way() {
    let agent = [task(30, 1, 30)];
    assert_eq!(judge(Orphans::Auto, Ending::Disturbed, HOME, &agent, &gpu(&[])), Verdict::Release);
    for orphans in [Orphans::Auto, Orphans::Kill, Orphans::Wait, Orphans::Leave] {
        assert_eq!(judge(orphans, Ending::ToldToEnd, HOME, &[], &gpu(&[])), Verdict::Release);
    }
}

#[test]
fn parents_read_at_different_moments_may_form_a_ring() {
    let ring = [task(40, 50, 40), task(50, 40, 50)];
    let verdict = judge(Orphans::Auto, Ending::Undisturbed, HOME, &ring, &gpu(&[50]));
    assert_eq!(verdict, Verdict::WaitFor(sessions(&[40, 50])));
}
