//! Names.

use super::*;
use crate::model::ids::{Pid, Uid};
use crate::output::status::scene::{holder as somebody, process as on_gpu};

#[test]
fn under_sudo_the_login_answers() {
    let mut process =
        Process { uid: Some(Uid::ROOT), account: Some("root".into()), ..Process::unknown(Pid(1)) };
    assert_eq!(owner(&process).as_deref(), Some("root"));
    process.login = Some("alice".into());
    process.login_uid = Some(Uid(1000));
    assert_eq!(owner(&process).as_deref(), Some("alice (root)"));
    process.uid = Some(Uid(1002));
    process.account = Some("bob".into());
    assert_eq!(owner(&process).as_deref(), Some("bob"), "what logged in matters for root alone");
}

#[test]
fn a_process_of_which_nothing_is_known_has_no_owner() {
    assert_eq!(owner(&Process::unknown(Pid(1))), None);
}

#[test]
fn the_uid_of_a_person_in_a_container_counts_more_than_the_container() {
    let mut judged = on_gpu(1, "bob", "python3");
    judged.process.origin =
        Origin::Container { engine: "docker".into(), id: "ab".into(), name: None, host_uid: None };
    assert_eq!(owner(&judged.process).as_deref(), Some("bob"));
    judged.process.uid = Some(Uid::OVERFLOW);
    assert_eq!(owner(&judged.process).as_deref(), Some("container ab"));
}

#[test]
fn a_container_is_told_by_the_beginning_of_its_number_or_by_its_whole_name() {
    let shown = |id: &str| {
        origin(&Origin::Container { engine: "lxc".into(), id: id.into(), name: None, host_uid: None })
    };
    assert_eq!(shown(&"0123456789ab".repeat(5)).as_deref(), Some("container 0123456789ab"));
    assert_eq!(shown("students_trainer").as_deref(), Some("container students_trainer"));
    assert_eq!(shown(&"é".repeat(20)), Some(format!("container {}", "é".repeat(20))));
    assert_eq!(origin(&Origin::Job { id: "42".into() }).as_deref(), Some("slurm job 42"));
}

#[test]
fn exact_names_are_not_cut() {
    let long = Holder { label: Some("x".repeat(500)), ..somebody("alice") };
    assert_eq!(exact_holder(&long).len(), 508);
    assert_eq!(holder(&long).chars().count(), "alice ()".len() + NAME);
}

#[test]
fn a_command_is_shown_as_people_call_it() {
    let shown = |words: &[&str]| command(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
    assert_eq!(shown(&["/opt/venv/bin/python3", "/opt/venv/bin/vllm", "serve", "a/b"]), "vllm serve a/b");
    assert_eq!(
        shown(&["/usr/bin/python3.12", "train.py", "--data", "/data"]),
        "python3.12 train.py --data /data"
    );
    assert_eq!(shown(&["python3", "-m", "vllm"]), "python3 -m vllm");
    assert_eq!(shown(&["/bin/sh", "/home/a/run.sh"]), "run.sh");
    assert_eq!(shown(&["./job"]), "job");
    assert_eq!(shown(&["VLLM::EngineCore"]), "VLLM::EngineCore");
    assert_eq!(shown(&["/"]), "/");
    assert_eq!(shown(&[]), "");
}
