//! The lines that scripts parse, letter for letter.

use super::*;

#[test]
fn the_four_forms_that_scripts_know() {
    let with_processes = |count: i32| {
        (0..count).map(|n| as_role(Role::Holder, process(100 + n, "alice", "python3"))).collect::<Vec<_>>()
    };
    let scene = Scene::default()
        .nobodys(Some(ago(1815)), idle(45), vec![])
        .held(run("alice"), in_use(8452), with_processes(1))
        .nobodys(
            None,
            in_use(1024),
            vec![process(12_345, "bob", "python3"), process(67_890, "bob", "jupyter")],
        )
        .held(manual("charlie"), idle(45), vec![]);
    let expected = "\
GPU 0: AVAILABLE (last released 0h 30m 15s ago) [validated: 45MB used]
GPU 1: IN USE by alice for 0h 15m 30s (run, last heartbeat 0h 0m 5s ago) [validated: 8452MB, 1 processes]
GPU 2: IN USE WITHOUT RESERVATION by user bob - 1024MB used by PID 12345 (python3), PID 67890 (jupyter)
GPU 3: IN USE by charlie for 1h 2m 15s (manual, expires in 3h 15m 45s) [validated: no actual usage detected]";
    assert_eq!(one_line(&scene), expected);
}

#[test]
fn never_used_and_draining() {
    assert_eq!(
        one_line(&Scene::default().nobodys(None, idle(3), vec![])),
        "GPU 0: AVAILABLE (never used) [validated: 3MB used]"
    );
    assert_eq!(
        one_line(&Scene::default().nobodys(
            Some(ago(2)),
            Usage::Draining { used: Megabytes(70_000) },
            vec![]
        )),
        "GPU 0: DRAINING (last released 0h 0m 2s ago) [validated: 70000MB used]"
    );
}

#[test]
fn several_users_and_one_without_a_name() {
    let mut nameless = process(3, "", "b");
    nameless.process.account = None;
    nameless.process.uid = Some(Uid(23_001));
    let mut on = vec![process(1, "alice", "a"), process(2, "bob", "b")];
    let scene = Scene::default().nobodys(None, in_use(9000), on.clone());
    assert_eq!(
        one_line(&scene),
        "GPU 0: IN USE WITHOUT RESERVATION by users alice and bob - 9000MB used by PID 1 (a), PID 2 (b)"
    );
    on.push(nameless);
    assert!(
        one_line(&Scene::default().nobodys(None, in_use(9000), on))
            .contains(" by users alice, bob and uid 23001 - ")
    );
}

#[test]
fn use_that_nobody_can_be_seen_behind() {
    assert_eq!(
        one_line(&Scene::default().nobodys(None, in_use(9000), vec![])),
        "GPU 0: IN USE WITHOUT RESERVATION by an unknown user - 9000MB used by no process that can be seen"
    );
    let bare = Judged { process: crate::model::process::Process::unknown(Pid(9)), ..process(9, "", "") };
    assert_eq!(
        one_line(&Scene::default().nobodys(None, in_use(9000), vec![bare])),
        "GPU 0: IN USE WITHOUT RESERVATION by an unknown user - 9000MB used by PID 9"
    );
}

#[test]
fn system_processes_are_not_counted_unless_there_is_nobody_else() {
    let daemon = || as_role(Role::System, process(7, "root", "nvidia-persiste"));
    let scene = Scene::default().held(run("alice"), idle(5), vec![daemon()]);
    assert!(one_line(&scene).ends_with("[validated: no actual usage detected]"));
    let scene = Scene::default().nobodys(None, in_use(5000), vec![daemon()]);
    assert!(one_line(&scene).ends_with("by user root - 5000MB used by PID 7 (nvidia-persiste)"));
}

#[test]
fn labels_and_logins_follow_the_account() {
    let by = |holder: Holder| {
        let line = one_line(&Scene::default().held(Reservation { holder, ..run("x") }, idle(1), vec![]));
        line.split(" for ").next().unwrap().to_owned()
    };
    let label = |account: &str, label: &str| Holder { label: Some(label.into()), ..holder(account) };
    assert_eq!(by(label("alice", "Alice L.")), "GPU 0: IN USE by alice (Alice L.)");
    assert_eq!(by(label("bob", "bob")), "GPU 0: IN USE by bob");
    let sudo = Holder { login: Some("bob".into()), ..label("root", "nightly") };
    assert_eq!(by(sudo), "GPU 0: IN USE by root (login bob, nightly)");
}

#[test]
fn an_intruder_follows_the_holder() {
    let holders = as_role(Role::Holder, process(1, "alice", "a"));
    let intruder = as_role(Role::Intruder, process(555, "bob", "python3"));
    assert_eq!(
        one_line(&Scene::default().held(run("alice"), in_use(9000), vec![holders, intruder.clone()])),
        "GPU 0: IN USE by alice for 0h 15m 30s (run, last heartbeat 0h 0m 5s ago) [validated: 9000MB, 2 processes] \
         + IN USE WITHOUT RESERVATION by user bob - 512MB used by PID 555 (python3)"
    );
    let untold = Judged { memory: None, ..intruder };
    assert!(
        one_line(&Scene::default().held(run("alice"), in_use(9000), vec![untold]))
            .ends_with("by user bob - used by PID 555 (python3)")
    );
}

#[test]
fn processes_that_nobody_is_accused_of_are_told_apart() {
    let mut in_container = as_role(Role::Unattributed, process(99, "root", "python3"));
    in_container.process.uid = Some(Uid::ROOT);
    in_container.process.origin = docker(&"1a2b3c4d5e6f7081".repeat(4), None, None);
    let outside = as_role(Role::HolderOutside, process(77, "alice", "python3"));
    let line = one_line(&Scene::default().held(run("alice"), in_use(9000), vec![outside, in_container]));
    assert!(
        line.ends_with(
            "2 processes] [outside the run: PID 77 (python3)] \
             [unattributed: PID 99 (python3, container 1a2b3c4d5e6f)]"
        ),
        "{line}"
    );
}

#[test]
fn where_a_process_came_from_stands_in_its_parentheses() {
    let unreserved = |origin, uid, role| {
        let mut judged = as_role(role, process(9, "bob", "python3"));
        judged.process.origin = origin;
        judged.process.uid = uid;
        one_line(&Scene::default().nobodys(None, in_use(2000), vec![judged]))
    };
    let start = "GPU 0: IN USE WITHOUT RESERVATION by";
    let root = Some(Uid::ROOT);
    assert_eq!(
        unreserved(docker(&"1a2b3c4d5e6f7081".repeat(4), Some("web"), None), root, Role::Unreserved),
        format!("{start} container web - 2000MB used by PID 9 (python3, container 1a2b3c4d5e6f web)")
    );
    assert_eq!(
        unreserved(docker(&"1a2b3c4d5e6f7081".repeat(4), None, Some(Uid(1007))), root, Role::Unreserved),
        format!("{start} user uid 1007 - 2000MB used by PID 9 (python3, container 1a2b3c4d5e6f)")
    );
    assert_eq!(
        unreserved(Origin::Service { unit: "vllm.service".into() }, Some(Uid(1001)), Role::Unreserved),
        format!("{start} user bob - 2000MB used by PID 9 (python3, service vllm.service)")
    );
    assert_eq!(
        unreserved(Origin::Unknown, Some(Uid(1001)), Role::Orphan { of: LeaseId("5f1e".into()) }),
        format!("{start} user bob - 2000MB used by PID 9 (python3, orphan of 5f1e)")
    );
}

#[test]
fn a_gpu_that_does_not_answer_is_never_shown_as_free() {
    let unknown = |why| one_line(&Scene::default().nobodys(None, Usage::Unknown(why), vec![]));
    assert_eq!(unknown(Unknown::NoAnswer { seconds: 5 }), "GPU 0: UNKNOWN (no answer from the driver in 5s)");
    assert_eq!(unknown(Unknown::Lost), "GPU 0: UNKNOWN (GPU is lost)");
    assert_eq!(unknown(Unknown::Mig), "GPU 0: UNKNOWN (MIG mode: slices are not supported yet)");
    assert_eq!(
        one_line(&Scene::default().held(run("alice"), Usage::Unknown(Unknown::Lost), vec![])),
        "GPU 0: UNKNOWN (GPU is lost) - reserved by alice for 0h 15m 30s (run, last heartbeat 0h 0m 5s ago)"
    );
}

#[test]
fn records_that_are_damaged_or_missing_are_named() {
    let claim = Claim::Damaged { why: "not JSON".into() };
    assert_eq!(
        one_line(&Scene::default().gpu(claim, idle(1), vec![])),
        "GPU 0: UNKNOWN (record is damaged: not JSON)"
    );
    let claim = Claim::Reserved { id: LeaseId("77".into()), doubt: None };
    assert_eq!(
        one_line(&Scene::default().gpu(claim, idle(1), vec![])),
        "GPU 0: UNKNOWN (reservation 77 is not in the store)"
    );
}

#[test]
fn false_records_say_why() {
    let suffix = |doubt| {
        let line = one_line(&doubted(doubt));
        line.split("] ").nth(1).unwrap().to_owned()
    };
    let taken = |account: Option<&str>| Seat::Taken {
        uid: Uid(1002),
        pid: Pid(8),
        account: account.map(ToOwned::to_owned),
    };
    assert_eq!(suffix(Doubt::SeatOfAnother(taken(Some("bob")))), "[false record: seat held by bob]");
    assert_eq!(suffix(Doubt::SeatOfAnother(taken(None))), "[false record: seat held by uid 1002]");
    assert_eq!(
        suffix(Doubt::SeatOfAnother(Seat::TakenBySomebody)),
        "[false record: seat held by somebody else]"
    );
    assert_eq!(suffix(Doubt::NobodyThere), "[false record: nobody holds its seat]");
}

pub(super) fn doubted(doubt: Doubt) -> Scene {
    let mut scene = Scene::default().held(run("alice"), idle(1), vec![]);
    scene.doubt(doubt);
    scene
}

#[test]
fn a_seat_without_a_record_is_shown_by_account_and_pid() {
    let seated = |seat, usage, on| one_line(&Scene::default().gpu(Claim::Seated(seat), usage, on));
    let taken = |uid, pid, account: Option<&str>| Seat::Taken {
        uid: Uid(uid),
        pid: Pid(pid),
        account: account.map(ToOwned::to_owned),
    };
    assert_eq!(
        seated(taken(1001, 812, Some("bob")), idle(1), vec![]),
        "GPU 0: IN USE WITHOUT RESERVATION by user bob - seat held by PID 812"
    );
    assert_eq!(
        seated(taken(23001, 812, None), in_use(2000), vec![process(812, "bob", "python3")]),
        "GPU 0: IN USE WITHOUT RESERVATION by user uid 23001 - seat held by PID 812, 2000MB used by PID 812 (python3)"
    );
    let unknown = "GPU 0: IN USE WITHOUT RESERVATION by an unknown user - seat held by an unknown process";
    assert_eq!(seated(Seat::TakenBySomebody, idle(1), vec![]), unknown);
    assert_eq!(
        seated(taken(Uid::OVERFLOW.0, 0, Some("nobody")), idle(1), vec![]),
        unknown,
        "of another namespace"
    );
}

#[test]
fn the_slices_of_a_gpu_are_shown_with_who_uses_them() {
    let slices = vec![
        slice("MIG 3g.40gb", Some(vec![])),
        slice("MIG 1g.10gb", Some(vec![])),
        slice("MIG 1g.20gb", None),
    ];
    let on_slice = Judged { slice: Some("MIG-MIG 3g.40gb".into()), ..process(9, "bob", "python3") };
    assert_eq!(
        one_line(&Scene::default().sliced(slices, vec![on_slice])),
        "GPU 0: UNKNOWN (MIG mode: slices are not supported yet) \
         [MIG 3g.40gb: by user bob - 12MB used by PID 9 (python3)] [MIG 1g.10gb: 12MB used] [MIG 1g.20gb: not known]"
    );
}

#[test]
fn notes_and_models_come_last() {
    assert!(one_line(&busy_host()).contains(
        "[validated: 8452MB, 1 processes] [note: llama ablation] [model: meta-llama/Llama-3.1-8B]\n"
    ));
}

#[test]
fn an_expired_reservation_that_nobody_has_swept_yet_says_so() {
    let expired = Reservation { expiry: Some(ago(3)), ..manual("bob") };
    assert!(one_line(&Scene::default().held(expired, idle(1), vec![])).contains("(manual, expired)"));
}
