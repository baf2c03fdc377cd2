//! Runs what a document says, block by block: a host of its own with an /etc, a /var, a network and a Redis of its own,
//! and stand-ins for the programs that its commands start.

use std::fs;
use std::process::Stdio;

use super::blocks::{Block, blocks};
use crate::support::elsewhere::can_be_a_machine;
use crate::support::host::Host;
use crate::support::job::Job;
use crate::support::{executable, skip};

/// They end at once, and well.
const STAND_INS: [&str; 10] = [
    "vllm",
    "torchrun",
    "accelerate",
    "deepspeed",
    "sglang",
    "python3",
    "python",
    "job",
    "nvidia-smi",
    "tmux",
];

/// `sudo` of somebody who is root already.
const SUDO: &str = "#!/bin/sh\nexec \"$@\"\n";

/// Before the blocks: everything that they change is the scene's. `$1` is the script.
const SURROUNDINGS: &str = r#"
set -e
for place in etc:/etc lib:/var/lib tmp:/var/tmp srv:/srv; do
    mount --bind "$HERE/${place%%:*}" "${place#*:}"
done
ip link set lo up
redis-server --bind 127.0.0.1 --port 6379 --save "" --dir "$HERE" --daemonize yes --pidfile "$HERE/redis.pid" >/dev/null
until redis-cli ping >/dev/null 2>&1; do :; done
trap 'kill "$(cat "$HERE/redis.pid")"' EXIT
set +e
bash "$1"
"#;

/// Says which command failed, and ends.
const PRELUDE: &str = r#"
run() {
    if [ "$1" -ne 0 ]; then echo "status $1: $2" >&2; exit 90; fi
}
export PATH="$HERE/bin:$PATH"
cd "$HERE"
"#;

/// Plays a document; returns how many commands ran, or `None`, said aloud, where nobody can mount anything.
pub(super) fn play(name: &str, text: &str) -> Option<usize> {
    if !can_be_a_machine() || !has("ip") {
        return None;
    }
    let host = Host::with_gpus(8);
    prepare(&host);
    let blocks = blocks(text);
    let mut script = PRELUDE.to_owned();
    let mut count = 0;
    for block in &blocks {
        match block {
            Block::Console(commands) => {
                for command in commands {
                    script += &format!("{}\nrun $? {}\n", bounded(command), quoted(command));
                    count += 1;
                }
                // What a block reserved and left, the next one does not see.
                script += "unset CUDA_VISIBLE_DEVICES CANHAZGPU_RESERVATION CANHAZGPU_DEVICES\n";
            }
            Block::File { path, text } => {
                let delimiter = "END-OF-FILE";
                script += &format!(
                    "mkdir -p \"$(dirname {path})\"\ncat > {path} <<'{delimiter}'\n{text}{delimiter}\n"
                );
                script += "chg doctor | grep -q '^ok  *configuration'\n";
                script += &format!("run $? {}\n", quoted(&format!("{path}, as chg doctor reads it")));
                count += 1;
            }
            Block::NotRun => {}
        }
    }
    fs::write(host.path("script"), script).unwrap();
    let mut command = host.me().command("unshare");
    command.args(["--mount", "--net", "sh", "-c", SURROUNDINGS, "sh"]).arg(host.path("script"));
    command.env_remove("CANHAZGPU_STORE").stdin(Stdio::null());
    let ended = Job::start(&mut command).finish();
    if ended.stderr.contains("unshare: ") || ended.stderr.contains("mount: ") {
        skip(&format!("{name} is played in namespaces of its own: {}", ended.stderr.trim()));
        return None;
    }
    assert_eq!(ended.code, Some(0), "{name}: {ended}");
    Some(count)
}

fn has(program: &str) -> bool {
    let found = std::process::Command::new(program).arg("-V").output().is_ok();
    if !found {
        skip(&format!("the documents are played with a network of their own: '{program}' is not installed"));
    }
    found
}

fn prepare(host: &Host) {
    let made = Job::start(&mut host.me().shell(
        "cp -a /etc etc && rm -rf etc/canhazgpu && mkdir lib tmp srv bin && chmod 1777 tmp && ln -s \"$CHG\" bin/chg &&
         ln -s \"$CHG\" bin/canhazgpu && echo 127.0.0.1 gpu-db >> etc/hosts",
    ))
    .finish();
    assert_eq!(made.code, Some(0), "{made}");
    for name in STAND_INS {
        program(host, name, "#!/bin/sh\nexit 0\n");
    }
    program(host, "sudo", SUDO);
    executable(&host.path("job"), fs::read(host.path("bin/job")).unwrap());
}

fn program(host: &Host, name: &str, text: &str) {
    executable(&host.path(&format!("bin/{name}")), text);
}

/// What goes on until somebody stops it, is stopped.
fn bounded(command: &str) -> String {
    if command.contains("--watch") {
        format!(
            "timeout --preserve-status --signal INT 2 {command}; case $? in 0|130) true ;; *) false ;; esac"
        )
    } else {
        command.to_owned()
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}
