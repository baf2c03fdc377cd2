//! `chg man`: the pages that are built in, for people, for pipes and for packages.

use std::fs;

use crate::support::executable;
use crate::support::host::Host;
use crate::support::job::Job;
use crate::support::pty::Pty;

const RUN: &str = include_str!("../../man/canhazgpu-run.1");

#[test]
fn a_pipe_gets_the_source_of_the_page() {
    let host = Host::with_gpus(0);
    assert_eq!(host.me().does(&["man", "run"]).stdout, RUN);
    assert_eq!(host.me().does(&["man"]).stdout, include_str!("../../man/canhazgpu.1"));
}

#[test]
fn an_unknown_page_is_wrong_usage_and_the_pages_are_named() {
    let ended = Host::with_gpus(0).me().runs(&["man", "cat"]);
    assert_eq!(ended.code, Some(2), "{ended}");
    assert!(ended.stderr.contains("no page 'cat'") && ended.stderr.contains("status"), "{ended}");
    assert_eq!(ended.stdout, "");
}

#[test]
fn every_page_is_written_where_a_package_wants_it() {
    let host = Host::with_gpus(0);
    let ended = host.me().does(&["man", "--dir", "new/man1"]);
    let written = fs::read_dir(host.path("new/man1")).unwrap().count();
    assert_eq!(ended.stdout, format!("Wrote {written} pages into new/man1\n"));
    assert_eq!(written, fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/man")).unwrap().count());
    assert_eq!(fs::read_to_string(host.path("new/man1/canhazgpu-run.1")).unwrap(), RUN);
    let refused = host.me().runs(&["man", "--dir", "/proc/self/pages"]);
    assert_eq!(refused.code, Some(1), "{refused}");
}

#[test]
fn the_manual_is_there_for_whoever_broke_the_configuration() {
    let host = Host::with_gpus(0);
    let mut command = host.me().chg(&["man", "config"]);
    let ended = Job::start(command.env("CANHAZGPU_RUN_GPUS", "many")).finish();
    assert_eq!(ended.code, Some(0), "{ended}");
}

#[test]
fn a_person_reads_it_through_man() {
    let host = Host::with_gpus(0);
    let man = host.path("man");
    executable(&man, "#!/bin/sh\necho \"man $* of $(wc -c) bytes\"\nexit 7\n");
    let mut command = host.me().chg(&["man", "run"]);
    command.env("PATH", format!("{}:/usr/bin:/bin", host.directory().display()));
    let mut terminal = Pty::start(&command);
    terminal.sees(&format!("man -l - of {} bytes", RUN.len()));
    terminal.ends_with(7);
}

#[test]
fn without_man_a_person_gets_the_source() {
    let host = Host::with_gpus(0);
    let mut shell = host.me().shell("PATH=/nowhere exec \"$CHG\" man run");
    shell.env("PATH", "/usr/bin:/bin");
    let mut terminal = Pty::start(&shell);
    terminal.sees(".Nd reserve GPUs, run a command on them, release them");
    terminal.ends_with(0);
}
