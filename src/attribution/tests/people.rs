//! Whose processes, and what they are.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;

use nix::time::{ClockId, clock_gettime};

use super::super::cgroup::Place;
use super::super::owners::{login_in, login_uid};
use super::super::proc_dir::Proc;
use super::*;
use crate::sys::testing::SPOKEN;

#[test]
fn every_process_is_its_users() {
    const NAME: &str = "attribution::tests::people::every_process_is_its_users";
    if !can_be_others(NAME) {
        return;
    }
    let alices = sleeping(&mut as_user(ALICE, &["sleep", "1000"]));
    let bobs = sleeping(&mut as_user(BOB, &["sleep", "1000"]));
    let roots = sleeping(&mut sleep());
    let accounts = Accounts::default();
    let found = owners([alices.pid(), bobs.pid(), roots.pid(), bobs.pid()], &accounts);
    let told = |running: &Running| (found[&running.pid()].uid, found[&running.pid()].owner());
    assert_eq!(found.len(), 3);
    assert_eq!(told(&alices), (Some(Uid(ALICE)), Some("uid 23001".into())));
    assert_eq!(told(&bobs), (Some(Uid(BOB)), Some("uid 23002".into())));
    assert_eq!(told(&roots), (Some(Uid::ROOT), Some("root".into())));
}

#[test]
fn a_process_is_told_with_all_that_belongs_to_it() {
    let before = clock_gettime(ClockId::CLOCK_REALTIME).unwrap().tv_sec();
    let odd = std::ffi::OsStr::from_bytes(b"odd\xff");
    let mut command = Command::new("sh");
    command.args(["-c", "kill -STOP $$", "sh"]).arg(odd).args(["", "last"]).process_group(0);
    let running = Running::start(&mut command);
    wait_until("its words are there", || closely(running.pid()).command.len() == 7);
    let process = closely(running.pid());
    assert_eq!(process.command, ["sh", "-c", "kill -STOP $$", "sh", "odd\u{fffd}", "", "last"]);
    assert_eq!(process.name, "sh");
    assert_eq!(process.group, Some(running.pid()));
    let own = Pid(std::process::id().cast_signed());
    assert_eq!(process.ancestors.first(), Some(&own));
    assert_eq!(process.ancestors.last(), Some(&Pid(1)));
    assert_eq!(process.session, one(own).session);
    let started = process.started.unwrap().seconds();
    let after = clock_gettime(ClockId::CLOCK_REALTIME).unwrap().tv_sec();
    // Start times are cut to ticks.
    assert!((before - 1..=after).contains(&started), "{before} {started} {after}");

    let brief = one(running.pid());
    // The wall clock is steered all the time, so the moment differs by nanoseconds from look to look.
    let less = Process { command: vec![], model: None, started: brief.started, ..process };
    assert_eq!(brief, less, "less, not other");
}

#[test]
fn of_a_command_line_without_end_the_beginning_is_told() {
    let mut command = sleep();
    command.args(vec!["0"; 50_000]);
    let running = Running::start(&mut command);
    wait_until("its words are there", || closely(running.pid()).command.len() > 2);
    let told = closely(running.pid()).command;
    assert_eq!(told[..3], ["sleep", "1000", "0"]);
    let length: usize = told.iter().map(|word| word.len() + 1).sum();
    assert!((60_000..=65_537).contains(&length), "{length} bytes");
}

#[test]
fn a_login_survives_a_change_of_user() {
    const NAME: &str = "attribution::tests::people::a_login_survives_a_change_of_user";
    if role().is_some() {
        speak_and_wait(&format!("{:?}", caller(&Accounts::default())));
    }
    // Where the kernel has no audit, or a login was set already, this cannot be tried.
    let login = format!("echo {ALICE} >/proc/self/loginuid && exec \"$@\"");
    let login = ["sh", "-c", &login, "sh"];
    let mut try_out = Command::new(login[0]);
    try_out.args(&login[1..]).arg("true");
    if !can_be_others(NAME) || !possible(NAME, try_out) {
        return;
    }
    let mut wrapper = login.map(str::to_owned).to_vec();
    let mut root = Command::new(&wrapper[0]);
    let running = sleeping(root.args(&wrapper[1..]).args(["sleep", "1000"]));
    let process = one(running.pid());
    assert_eq!((process.uid, process.login_uid, process.login), (Some(Uid::ROOT), Some(Uid(ALICE)), None));

    let caller = said("caller", NAME, &wrapper);
    assert_eq!(caller, r#"Caller { uid: Uid(0), account: "root", login: Some("uid 23001") }"#);
    wrapper.extend(words_of(&as_user(ALICE, &[])));
    let caller = said("caller", NAME, &wrapper);
    assert_eq!(caller, r#"Caller { uid: Uid(23001), account: "uid 23001", login: None }"#);
}

#[test]
fn a_service_has_no_login() {
    let logins =
        ["1001", "0\n", "4294967295", "4294967295\n", "-1", "", "x"].map(|text| login_in(text.as_bytes()));
    assert_eq!(logins, [Some(Uid(1001)), Some(Uid::ROOT), None, None, None, None, None]);

    // Where the kernel does not tell, whose slice it is tells.
    let own = Proc::here().open(Pid(std::process::id().cast_signed())).unwrap();
    let told = login_in(&own.read("loginuid").unwrap_or_default());
    let slice = Place { user: Some(Uid(ALICE)), ..Place::default() };
    assert_eq!(login_uid(&own, &slice), told.or(Some(Uid(ALICE))));
    assert_eq!(login_uid(&own, &Place::default()), told);
}

#[test]
fn the_caller_is_not_who_user_says() {
    const NAME: &str = "attribution::tests::people::the_caller_is_not_who_user_says";
    if role().is_some() {
        let caller = caller(&Accounts::default());
        speak_and_wait(&format!("{} {}", caller.uid, caller.account));
    }
    if !can_be_others(NAME) {
        return;
    }
    let mut wrapper = words_of(&as_user(ALICE, &[]));
    wrapper.extend(["env", "USER=root", "LOGNAME=root", "SUDO_UID=0"].map(str::to_owned));
    assert_eq!(said("caller", NAME, &wrapper), "23001 uid 23001");
}

#[test]
fn accounts_are_named_both_ways() {
    let accounts = Accounts::default();
    assert_eq!(accounts.name_of(Uid::ROOT).as_deref(), Some("root"));
    assert_eq!(accounts.uid_of("root"), Some(Uid::ROOT));
    assert_eq!(accounts.name_of(Uid(ALICE)), None);
    assert_eq!(accounts.shown(Uid(ALICE)), "uid 23001");
    for name in ["", "no such account", "root\0", "0"] {
        assert_eq!(accounts.uid_of(name), None, "{name:?}");
    }
}

#[test]
fn a_worker_takes_the_model_of_the_server_above_it() {
    let directory = tempfile::tempdir().unwrap();
    let vllm = directory.path().join("vllm");
    // The worker's words tell nothing.
    let script = format!("sleep 1000 & echo {SPOKEN}$!; wait");
    let written =
        Command::new("sh").args(["-c", "printf %s \"$1\" >\"$2\"", "sh", &script]).arg(&vllm).status();
    assert!(written.unwrap().success());
    let (server, worker) = Running::until_it_speaks(Command::new("sh").arg(&vllm).args(["serve", "Qwen/Q"]));
    let worker = Pid(worker.parse().unwrap());
    let process = closely(worker);
    assert_eq!(process.ancestors.first(), Some(&server.pid()));
    assert_eq!(process.model.as_deref(), Some("Qwen/Q"));
    assert_eq!(one(worker).model, None);
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(worker.0), Signal::SIGKILL).unwrap();
}
