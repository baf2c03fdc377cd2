//! A server built as vLLM is: it forks an engine, which forks workers, each in a session of its own, under names of
//! their own, and the workers heed nothing but SIGKILL. However it is ended, nothing of it stays on a GPU.

use std::fs;
use std::time::{Duration, Instant};

use fakenvml::Kind;
use nix::sys::signal::Signal;

use crate::support::host::{Host, me};
use crate::support::job::Job;
use crate::support::probe::{quoted, script};
use crate::support::process::{await_end_of, lives, send};
use crate::support::pty::{CTRL_C, Pty};
use crate::support::wait::{wait_for, wait_until};

/// `sys.argv[1]` says what the server does at an interrupt: `dies`, or `leaves` as if it were done.
const SERVER: &str = "
def become(name):
    with open('/proc/self/comm', 'w') as comm: comm.write(name)
def note(name): print(name, os.getpid(), file=open(os.environ['HERE'] + '/' + name, 'w'))
def deaf():
    for s in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP): signal.signal(s, signal.SIG_IGN)
def stay():
    while True: select.select([], [], [], 60)
if (engine := os.fork()) == 0:
    os.setsid()
    become('VLLM::EngineCor')
    for number in range(2):
        if os.fork() == 0:
            os.setsid()
            become('VLLM::Worker_TP')
            deaf()
            note(f'worker{number}')
            stay()
    note('engine')
    stay()
become('VLLM::APIServer')
if 'leaves' in sys.argv: signal.signal(signal.SIGINT, lambda *_: os._exit(0))
else: signal.signal(signal.SIGINT, signal.SIG_DFL)
note('server')
os.waitpid(engine, 0)
sys.exit('the engine is gone')";

/// Enough for a SIGTERM in vain; far less than the half minute that is given by default.
const GRACE: &str = "700ms";
const SOON: Duration = Duration::from_secs(15);

struct Scene {
    host: Host,
}

/// The processes of a server that is up.
struct Server {
    server: i32,
    engine: i32,
    workers: [i32; 2],
}

impl Scene {
    fn new() -> Self {
        let host = Host::with_gpus(2);
        for interrupted in ["dies", "leaves"] {
            let text = format!("exec {} {interrupted}\n", quoted(&script(SERVER)));
            fs::write(host.path(interrupted), text).unwrap();
        }
        Self { host }
    }

    fn starts(&self, options: &[&str]) -> (Job, Server) {
        let command = ["--grace", GRACE, "-g", "2", "--", "sh", "dies"];
        let job = self.host.me().starts(&[options, &command[..]].concat());
        (job, self.is_up())
    }

    /// Typed into a shell on a terminal; what `chg` says is in the file `err`.
    fn is_typed(&self, interrupted: &str) -> (Pty, Server) {
        let mut bash = self.host.me().command("bash");
        bash.args(["--norc", "--noprofile", "--noediting", "-i"]).env("HISTFILE", "/dev/null");
        let mut pty = Pty::start(&bash);
        pty.sees("prompt> ");
        pty.enters(&format!(
            "\"$CHG\" --grace {GRACE} -g 2 -- sh $HERE/{interrupted} 2>$HERE/err; echo status $?"
        ));
        (pty, self.is_up())
    }

    fn is_up(&self) -> Server {
        let [server, engine, first, second] = ["server", "engine", "worker0", "worker1"].map(|name| {
            wait_for(&format!("the {name}"), || {
                fs::read_to_string(self.host.path(name)).ok()?.trim().rsplit(' ').next()?.parse::<i32>().ok()
            })
        });
        for (gpu, worker) in (0..).zip([first, second]) {
            self.host.gpus.add_process(gpu, worker, Some(40_000), Kind::Compute);
        }
        Server { server, engine, workers: [first, second] }
    }

    /// Nothing of it is there, its GPUs can be had, and whoever had to be ended was named.
    fn is_over(&self, server: &Server, told: &str, since: Instant, ended: &[i32]) {
        for pid in server.all() {
            assert!(!lives(pid), "process {pid} is left; {told}");
        }
        assert!(since.elapsed() < SOON, "took {:?}", since.elapsed());
        for pid in ended {
            assert!(told.contains(&format!("PID {pid} (VLLM::")), "{pid} is not named: {told}");
        }
        for line in self.host.status() {
            assert!(line.contains("AVAILABLE (last released"), "{line}");
        }
    }

    fn told(&self) -> String {
        fs::read_to_string(self.host.path("err")).unwrap()
    }
}

impl Server {
    fn all(&self) -> [i32; 4] {
        [self.server, self.engine, self.workers[0], self.workers[1]]
    }

    fn without_server(&self) -> [i32; 3] {
        [self.engine, self.workers[0], self.workers[1]]
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        for pid in self.all().into_iter().filter(|pid| lives(*pid)) {
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

#[test]
fn when_the_server_is_killed_its_engine_and_workers_are_ended() {
    let scene = Scene::new();
    let (job, server) = scene.starts(&[]);
    // Whoever is next finds nobody of it alive.
    let alive = server.all().map(|pid| format!("! kill -0 {pid} 2>/dev/null || exit 9; ")).concat();
    let next = scene.host.me().waits(&["-g", "2", "--", "sh", "-c", &alive]);
    let since = Instant::now();
    send(server.server, "KILL");
    let ended = job.finish();
    assert_eq!(ended.signal, Some(9), "{ended}");
    let next = next.finish();
    assert_eq!(next.code, Some(0), "{next}");
    scene.is_over(&server, &ended.stderr, since, &server.without_server());
}

#[test]
fn when_the_engine_is_killed_its_workers_are_ended() {
    let scene = Scene::new();
    let (job, server) = scene.starts(&[]);
    let since = Instant::now();
    send(server.engine, "KILL");
    let ended = job.finish();
    assert_eq!(ended.code, Some(1), "{ended}");
    scene.is_over(&server, &ended.stderr, since, &server.workers);
}

#[test]
fn when_its_time_is_up_all_of_it_ends() {
    let scene = Scene::new();
    let (job, server) = scene.starts(&["--timeout", "1500ms"]);
    let ended = job.finish();
    assert_eq!(ended.code, Some(124), "{ended}");
    scene.is_over(&server, &ended.stderr, Instant::now(), &server.without_server());
}

#[test]
fn a_request_ends_all_of_it() {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        let scene = Scene::new();
        let (job, server) = scene.starts(&[]);
        let since = Instant::now();
        job.gets(signal);
        let ended = job.finish();
        assert_eq!(ended.signal, Some(signal as i32), "{ended}");
        scene.is_over(&server, &ended.stderr, since, &server.without_server());
    }
}

#[test]
fn a_key_ends_all_of_it() {
    let scene = Scene::new();
    let (mut pty, server) = scene.is_typed("dies");
    let since = Instant::now();
    pty.types(CTRL_C);
    pty.sees("prompt> ");
    scene.is_over(&server, &scene.told(), since, &server.without_server());
}

#[test]
fn a_key_that_the_server_takes_for_a_good_end_is_asked_for_once_more() {
    let scene = Scene::new();
    let (mut pty, server) = scene.is_typed("leaves");
    pty.types(CTRL_C);
    wait_until("word of who is left", || scene.told().contains("still on the GPUs"));
    assert!(server.without_server().iter().all(|pid| lives(*pid)), "an end in order may leave servers");
    let since = Instant::now();
    pty.types(CTRL_C);
    pty.sees("status 0\r\n");
    scene.is_over(&server, &scene.told(), since, &server.without_server());
}

#[test]
fn when_the_terminal_is_gone_all_of_it_ends() {
    let scene = Scene::new();
    let (mut pty, server) = scene.is_typed("dies");
    let since = Instant::now();
    pty.hang_up();
    server.all().into_iter().for_each(await_end_of);
    scene.host.shows(0, "AVAILABLE (last released");
    scene.is_over(&server, &scene.told(), since, &server.without_server());
}

#[test]
fn when_the_launcher_is_killed_the_survivors_are_shown_keep_their_gpus_and_can_be_ended() {
    let scene = Scene::new();
    let (job, server) = scene.starts(&[]);
    let id = scene.host.json(&["status"])[0]["reservation"]["id"].as_str().unwrap().to_owned();
    job.gets(Signal::SIGKILL);
    drop(job);
    await_end_of(server.server);
    let refused = scene.host.me().runs(&["--nonblock", "--", "true"]);
    assert_eq!(refused.code, Some(75), "{refused}");
    for (gpu, worker) in server.workers.iter().enumerate() {
        let line = scene.host.line(gpu);
        let expected = format!("used by PID {worker} (VLLM::Worker_TP, orphan of {id})");
        assert!(line.contains(&expected) && line.contains(&format!("by user {}", me())), "{line}");
    }
    let since = Instant::now();
    let released = scene.host.me().does(&["release", "-G", "0,1", "--force"]);
    assert!(server.workers.iter().all(|pid| !lives(*pid)), "{released}");
    assert!(!lives(server.engine), "the engine that would start them anew: {released}");
    assert!(since.elapsed() < SOON, "took {:?}", since.elapsed());
    for line in scene.host.status() {
        assert!(line.contains("AVAILABLE (last released"), "{line}");
    }
}
