//! What `--force` takes: GPUs that nobody but the one who asks uses, and the jobs on them.

use super::claims::blocked;
use super::support::*;
use crate::model::ids::{GpuIndex, Uid};
use crate::model::pool::SlotState;
use crate::model::process::{Origin, Process};
use crate::model::request::{Demand, OnBusy, Request};
use crate::model::reservation::{Ending, UntilExit};
use crate::model::seen::{Context, Reading};
use crate::model::verb::{Outcome, Refusal, Verb, Why};

/// By force, and without waiting.
fn insists(demand: Demand) -> Request {
    Request { on_busy: OnBusy::Refuse, ..forced(manual("a", demand, minutes(5))) }
}

#[test]
fn force_takes_a_gpu_that_nobody_but_oneself_uses_and_adopts_ones_jobs() {
    let mut world = World::with_gpus(2);
    world.use_gpu(0, 1, "mine");
    assert!(matches!(world.refused(1, nonblock("n", exactly(&[0]))), Refusal::Busy { .. }));
    let granted = world.granted(1, insists(count(2)));
    assert_eq!(granted.gpus, gpus(&[0, 1]));
    assert_eq!(granted.adopted, [process("mine")]);
}

#[test]
fn force_takes_no_gpu_that_another_uses_or_may_use() {
    type Change = fn(&mut World);
    let scenes: [(&str, Change, Option<&str>); 6] = [
        ("another", |world| world.use_gpu(0, 2, "other"), Some("u2")),
        (
            "another beside oneself",
            |world| {
                world.use_gpu(0, 2, "other");
                world.join_gpu(0, 1, "mine");
            },
            Some("u2"),
        ),
        (
            "a process that is hidden",
            |world| {
                world.use_gpu(0, 2, "other");
                let pid = process("other").pid;
                world.owners.insert(pid, Process::unknown(pid));
            },
            None,
        ),
        ("root in a container", |world| world.contain(0, "web"), Some("container web")),
        (
            "root in a container beside oneself",
            |world| {
                world.contain(0, "web");
                world.join_gpu(0, 1, "mine");
            },
            Some("container web"),
        ),
        (
            "a display server that takes much",
            |world| {
                world.use_gpu(0, 0, "Xorg");
                let Reading::Measured(measured) = &mut world.gpus[0].reading else { panic!("measured") };
                measured.processes[0].context = Context::Graphics;
            },
            Some("u0"),
        ),
    ];
    for (what, change, named) in scenes {
        let mut world = World::with_gpus(1);
        change(&mut world);
        for demand in [exactly(&[0]), count(1), Demand::AllFree] {
            let refusal = world.refused(1, insists(demand));
            let [(0, Why::Used { by })] = blocked(&refusal)[..] else { panic!("{what}: {refusal:?}") };
            assert!(by.iter().any(|user| user.name.as_deref() == named), "{what}: {by:?}");
        }
        // Nor is it the administrator's.
        assert!(
            matches!(world.apply(&admin(), &Verb::Claim(insists(count(1)))), Outcome::Refused(_)),
            "{what}"
        );
    }
    let mut world = World::with_gpus(1);
    world.drain(0);
    assert_eq!(blocked(&world.refused(1, insists(count(1)))), [(0, &Why::Used { by: Vec::new() })]);
    world.leave_gpu(0);
    world.granted(2, run("b", count(1)));
    let _ = world.finish(2, "b");
    world.drain(0);
    assert_eq!(blocked(&world.refused(1, insists(count(1)))), [(0, &Why::Draining)]);
}

#[test]
fn a_job_is_ones_own_by_its_account_its_login_and_its_rootless_container() {
    let changes: [fn(&mut Process); 3] = [
        |process| process.uid = Some(Uid(1)),
        |process| process.login_uid = Some(Uid(1)),
        |process| {
            process.uid = Some(Uid(101_000));
            process.origin = Origin::Container {
                engine: "podman".into(),
                id: "0123456789abcdef".into(),
                name: None,
                host_uid: Some(Uid(1)),
            };
        },
    ];
    for change in changes {
        let mut world = World::with_gpus(1);
        world.use_gpu(0, 0, "job");
        change(world.owners.get_mut(&process("job").pid).expect("there"));
        assert!(matches!(world.refused(2, insists(count(1))), Refusal::Busy { .. }));
        let request = Request { until_exit: UntilExit::Yes, ..insists(count(1)) };
        assert_eq!(world.granted(1, request).adopted, [process("job")]);
    }
    // Who became root is asked by the name of the login.
    let mut world = World::with_gpus(1);
    world.use_gpu(0, 1, "job");
    let mut sudo = admin();
    sudo.holder.login = Some("u1".into());
    let outcome = world.apply(&sudo, &Verb::Claim(insists(count(1))));
    assert!(matches!(outcome, Outcome::Granted(held) if held.adopted == [process("job")]));
}

#[test]
fn until_exit_is_refused_at_once_where_no_job_of_ones_own_can_be() {
    let mut world = World::with_gpus(3);
    world.granted(2, run("held", exactly(&[0])));
    world.use_gpu(1, 2, "other");
    let until_exit =
        |demand| Request { until_exit: UntilExit::Yes, ..forced(manual("a", demand, minutes(5))) };
    for (demand, named) in [
        (exactly(&[0]), &[0][..]),
        (exactly(&[1]), &[1]),
        (count(1), &[0, 1, 2]),
        (Demand::AllFree, &[0, 1, 2]),
    ] {
        assert_eq!(world.refused(1, until_exit(demand)), Refusal::NothingToAdopt { gpus: gpus(named) });
    }
    world.join_gpu(1, 1, "mine");
    world.waits(1, until_exit(exactly(&[1])));
    world.use_gpu(2, 1, "alone");
    assert_eq!(world.granted(1, until_exit(count(1))).gpus, gpus(&[2]), "not the free one: there is none");
    let mut world = World::with_gpus(2);
    world.use_gpu(1, 1, "mine");
    assert_eq!(world.granted(1, until_exit(count(1))).gpus, gpus(&[1]), "where the job is");
    // What does not answer may have one.
    let mut world = World::with_gpus(1);
    world.sweep();
    world.lose_gpu(0);
    world.waits(1, until_exit(count(1)));
}

#[test]
fn force_prefers_gpus_that_nobody_uses() {
    let mut world = World::with_gpus(3);
    world.use_gpu(0, 1, "mine");
    assert_eq!(world.granted(1, forced(manual("a", count(2), minutes(5)))).gpus, gpus(&[1, 2]));
}

#[test]
fn force_is_no_key_to_what_is_reserved_unknown_seated_or_damaged() {
    let mut world = World::with_gpus(4);
    world.granted(2, run("held", exactly(&[0])));
    world.lose_gpu(1);
    world.seated.insert(id("stray"), (Uid(5), vec![uuid(2)]));
    let slot = world.pool.slots.get_mut(&GpuIndex(3)).expect("there");
    slot.state = SlotState::Damaged { why: "not JSON".into() };
    for gpu in 0..4 {
        let mut request = forced(manual("a", exactly(&[gpu]), minutes(5)));
        request.on_busy = OnBusy::Refuse;
        assert!(matches!(world.refused(1, request), Refusal::Busy { .. }), "GPU {gpu}");
    }
}

#[test]
fn a_reservation_until_exit_ends_with_the_last_adopted_process() {
    let mut world = World::with_gpus(2);
    world.use_gpu(0, 1, "one");
    world.use_gpu(1, 1, "two");
    let request = Request { until_exit: UntilExit::Yes, ..forced(manual("a", count(2), minutes(60))) };
    assert_eq!(world.granted(1, request).adopted.len(), 2);
    world.kill("one");
    world.sweep();
    assert!(world.ended.is_empty());
    world.kill("two");
    world.sweep();
    assert_eq!(world.endings(), [("a", &Ending::AdoptedExited)]);
}
