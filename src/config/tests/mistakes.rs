//! What is wrong in a file or a variable: each mistake names its place, its key, what is allowed and what was meant.

use super::*;

#[test]
fn an_unknown_key_names_file_line_and_what_is_allowed() {
    let message = Scene::default().user("\n[run]\ntimout = '1h'\n").refused();
    assert!(
        message.starts_with("/home/a/config.toml, line 3: unknown key 'run.timout'; allowed in [run]: gpus,")
    );
    assert!(message.contains("timeout"), "{message}");
    let message = Scene::default().host("stor = 'x'\n").refused();
    assert!(
        message.starts_with("/etc/canhazgpu/config.toml, line 1: unknown key 'stor'; allowed: store,"),
        "{message}"
    );
    let message = Scene::default().user("[runn]\ntimeout = '1h'\n").refused();
    assert!(message.contains("line 1: unknown key 'runn'") && message.contains("[run]"), "{message}");
}

#[test]
fn a_bad_value_names_file_line_key_and_what_is_allowed() {
    for (text, expected) in [
        ("[run]\ntimeout = 30\n", "/home/a/config.toml, line 2: run.timeout: '30' is not a duration"),
        ("[run]\ngpus = 0\n", "/home/a/config.toml, line 2: run.gpus: '0' is not a whole number from 1 up"),
        ("[run]\norphans = 'maim'\n", "line 2: run.orphans: 'maim' is none of auto, kill, wait, leave"),
        ("[run]\nnonblock = 'perhaps'\n", "line 2: run.nonblock: 'perhaps' is neither true nor false"),
        ("[run]\ngpu_ids = [1, 1]\n", "line 2: run.gpu_ids: '1,1' is not a list of GPU ids"),
        ("[run]\ntimeout = ['1h']\n", "line 2: run.timeout: a TOML array is not what it takes"),
        ("provider = 'amd'\n", "line 1: provider: 'amd' is neither nvidia nor fake"),
        ("store = ''\n", "line 1: store: it is empty"),
        ("store = {}\n", "line 1: store: a TOML table is not what it takes"),
        ("run = 3\n", "line 1: unknown key 'run'"),
        ("[shim]\ndir = 'shims'\n", "line 2: shim.dir: 'shims' is not an absolute path"),
    ] {
        let message = Scene::default().user(text).refused();
        assert!(message.contains(expected), "{text:?}: {message}");
    }
    let message = Scene::default().variable("CANHAZGPU_RUN_TIMEOUT", "soon").refused();
    assert!(message.starts_with("CANHAZGPU_RUN_TIMEOUT: run.timeout: 'soon' is not a duration"), "{message}");
}

#[test]
fn what_is_no_toml_names_its_line() {
    let message = Scene::default().user("[run]\ngpus = = 2\n").refused();
    assert!(message.starts_with("/home/a/config.toml, line 2: "), "{message}");
    assert!(!message.contains('\n'), "{message}");
    let message = Scene::default().user("[run]\nwait = '1h'\nwait = '2h'\n").refused();
    assert!(message.contains("line 3"), "{message}");
    let message = Scene::default().user("[run]\non-lost = 'warn'\non_lost = 'warn'\n").refused();
    assert!(message.contains("run.on_lost is set twice"), "{message}");
}

#[test]
fn a_mistake_in_a_layer_that_is_not_in_force_is_still_one() {
    let scene = Scene::default().host("store = 'sqlite:/x'\nmemory_threshold = -1\n");
    let flags = Globals { memory_threshold: Some(Megabytes(5)), ..Globals::default() };
    assert!(scene.flags(flags).refused().contains("memory_threshold"));
}

#[test]
fn what_was_meant_is_suggested() {
    for (text, meant) in [
        ("[run]\ntimout = '1h'\n", "did you mean 'timeout'?"),
        ("[run]\non_lots = 'warn'\n", "did you mean 'on_lost'?"),
        ("stor = 'x'\n", "did you mean 'store'?"),
        ("memory-treshold = 3\n", "did you mean 'memory_threshold'?"),
        ("[runn]\ngpus = 1\n", "did you mean [run]?"),
        ("[polcy]\nmax_duration = '1h'\n", "did you mean [policy]?"),
        ("timeout = '1h'\n", "did you mean 'timeout' in [run]?"),
        ("[run]\nmemory_threshold = 3\n", "did you mean 'memory_threshold', above every section?"),
        ("[run]\ndays = 3\n", "did you mean 'days' in [report]?"),
        ("xyzzy = 1\n", "'man canhazgpu-config' explains every key"),
        ("[run]\ntimeout = 'soon'\n", "'man canhazgpu-config' explains every key"),
    ] {
        let mistake = Scene::default().user(text).try_load().expect_err("a mistake");
        assert_eq!(mistake.hint().as_deref(), Some(meant), "{text:?}: {mistake}");
    }
}
