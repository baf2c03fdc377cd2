//! The model in use, in every form of status.

use std::process::Stdio;

use serde_json::json;

use crate::support::host::Host;
use crate::support::job::Job;

const MODEL: &str = "meta-llama/Llama-3.1-8B";

/// Every form of status names the model on GPU 0.
fn is_shown(host: &Host) {
    assert!(host.line(0).ends_with(&format!(" [model: {MODEL}]")), "{}", host.line(0));
    let table = host.me().does(&["status", "-o", "table"]).stdout;
    assert!(table.contains(MODEL), "{table}");
    let shown = host.json(&["status"]);
    assert_eq!(shown[0]["model"], json!({"provider": "meta-llama", "model": MODEL}));
}

#[test]
fn the_servers_own_words_name_it() {
    let host = Host::with_gpus(1);
    host.gpus.worker("vllm");
    let _server = host.me().starts(&["--", "vllm", "serve", MODEL, "-tp", "1"]);
    host.processes_on(0, 1);
    is_shown(&host);
}

#[test]
fn a_worker_that_names_none_serves_that_of_its_parents() {
    let host = Host::with_gpus(1);
    let worker = host.gpus.worker("engine");
    let text = format!("{} & wait", worker.display());
    let mut server = host.me().command("sh");
    server.args(["-c", &text, "lm_eval", "--model", "hf", "--model_args", &format!("pretrained={MODEL}")]);
    let _server = Job::start(server.env("CUDA_VISIBLE_DEVICES", "0").stdin(Stdio::null()));
    host.processes_on(0, 1);
    is_shown(&host);
}

#[test]
fn a_worker_far_below_a_server_that_wrote_over_its_words_serves_that_of_its_run() {
    let host = Host::with_gpus(1);
    let worker = host.gpus.worker("VLLM::EngineCore");
    let script = |name: &str, text: &str| {
        let path = host.path(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let deep =
        script("deep", &format!("[ $1 -gt 0 ] || exec {}\nsh $0 $(($1 - 1)) & wait\n", worker.display()));
    let vllm = script("vllm", &format!("exec sh {deep} 4\n"));
    let _server = host.me().starts(&["--", "sh", &vllm, "serve", MODEL]);
    host.processes_on(0, 1);
    is_shown(&host);
}

/// Whoever keeps sessions carries the words of the first one for good.
#[test]
fn the_first_session_of_a_tmux_server_says_nothing_of_the_others() {
    let host = Host::with_gpus(1);
    let worker = host.gpus.worker("python3");
    let socket = host.path("tmux");
    let tmux = |words: &[&str]| {
        let mut tmux = host.me().command("tmux");
        tmux.arg("-S").arg(&socket).args(["-f", "/dev/null"]).args(words).stdin(Stdio::null());
        tmux.output()
    };
    match tmux(&["new-session", "-d", "sh", "-c", "exec sleep 1000", "vllm", "serve", MODEL]) {
        Err(error) => return crate::support::skip(&format!("no tmux here: {error}")),
        Ok(started) => assert!(started.status.success(), "{started:?}"),
    }
    let second = format!("CUDA_VISIBLE_DEVICES=0 exec {}", worker.display());
    assert!(tmux(&["new-session", "-d", &second]).unwrap().status.success());
    host.processes_on(0, 1);
    let shown = host.json(&["status"]);
    tmux(&["kill-server"]).unwrap();
    assert_eq!(shown[0]["processes"][0]["through"], "tmux");
    assert_eq!(shown[0]["model"], serde_json::Value::Null, "{shown}");
}

#[test]
fn what_somebody_writes_as_a_model_neither_commands_the_terminal_nor_widens_the_line() {
    let host = Host::with_gpus(1);
    let hostile = format!("a\x1b[2J\nGPU 9: AVAILABLE\u{202e}{}", "山".repeat(80));
    let mut server = host.me().command(host.gpus.worker("python3"));
    server.args(["--model", &hostile]).env("CUDA_VISIBLE_DEVICES", "0").stdin(Stdio::null());
    let _server = Job::start(&mut server);
    host.processes_on(0, 1);
    let line = host.line(0);
    let shown = line.split(" [model: ").nth(1).unwrap().trim_end_matches(']');
    assert!(shown.starts_with("a\\u{1b}\\u{5b}2J\\nGPU 9: AVAILABLE\\u{202e}山"), "{shown}");
    let columns: usize = shown.chars().map(|c| if c == '山' { 2 } else { 1 }).sum();
    assert!((49..=50).contains(&columns) && shown.ends_with('…'), "{columns} columns: {shown}");
    assert_eq!(host.json(&["status"])[0]["model"]["model"], json!(hostile), "letter for letter");
}
