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
