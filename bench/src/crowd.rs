//! A host with six GPUs and everything at once on it: a run and an intruder, root in a container, a worker that a crashed
//! run left, a GPU that is lost; the sixth can be made to take half a minute to answer. Accounts, processes and the run are
//! real, the container is a control group of Docker's form. The same crowd is looked at in tests/integration/crowded.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use fakenvml::{Code, Kind as Use, Scenario};

use crate::host::{Host, Kind, Place};
use crate::process::{Running, output, quiet, signal, started, wait_until};
use crate::{Result, clock};

/// Accounts without an entry in the account database: of the run, of the intruder, of the crashed run.
const PEOPLE: [u32; 3] = [23_001, 23_002, 23_003];
const GPUS: u32 = 6;

/// The crowd, which ends with it.
#[derive(Debug)]
pub struct Crowd {
    pub place: Place,
    scenario: Scenario,
    /// Whoever has to be ended by number.
    orphan: i32,
    jobs: Vec<Running>,
    /// Dropped after those in it have ended.
    group: Group,
}

impl Crowd {
    /// # Errors
    /// Where there are no accounts to be had, and no control groups.
    pub fn on(host: &mut Host, kind: Kind) -> Result<Self> {
        let group = Group::new()?;
        let scenario = Scenario::with_gpus(GPUS);
        let place = host.nvml(kind, &scenario.library(), GPUS)?;
        scenario.worker("python3");
        let programs = format!("{}:/usr/bin:/bin", scenario.dir().join("bin").display());
        let as_user = |command: &mut Command, number: usize| {
            command.env("PATH", &programs).uid(PEOPLE[number]).gid(PEOPLE[number]);
        };
        let chg = |words: &[&str], number: usize| {
            let mut command = host.command(&place);
            as_user(command.args(words), number);
            command
        };
        output(host.command(&place).args(["-G", "0", "--", "true"]))?;
        let mut jobs = vec![Running::start(quiet(&mut chg(&["-G", "1", "--", "python3"], 0)))?];
        on_gpu(&scenario, 1, 1)?;
        let mut intruder = host.bare(scenario.worker("jupyter"));
        as_user(intruder.env("CUDA_VISIBLE_DEVICES", "1"), 1);
        jobs.push(Running::start(quiet(&mut intruder))?);
        on_gpu(&scenario, 1, 2)?;
        let contained = Running::start(quiet(host.bare("sleep").arg("600")))?;
        group.take(contained.pid())?;
        scenario.add_process(2, contained.pid(), Some(2048), Use::Compute);
        jobs.push(contained);
        let looks = || host.command(&place);
        let orphan = crash(&scenario, &mut chg(&["-G", "3", "--", "python3", "--daemons", "1"], 2), looks)?;
        scenario.fail("*", Some(4), Code::GPU_IS_LOST);
        Ok(Self { place, scenario, orphan, jobs, group })
    }

    /// The sixth GPU takes half a minute for each answer.
    pub fn slow_down(&self) {
        self.scenario.delay("*", Some(5), 30_000);
    }

    /// What every form must tell of it, besides the GPU that is slow.
    pub fn words(&self) -> [String; 5] {
        let [run, intruder, crashed] = PEOPLE.map(|uid| format!("uid {uid}"));
        [run, intruder, crashed, format!("container {}", &self.group.id[..12]), "GPU is lost".to_owned()]
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        signal(self.orphan, libc::SIGKILL);
        self.jobs.clear();
        let _ = wait_until("the end of the orphan", || started(self.orphan).is_none());
    }
}

/// A run whose launcher and command are killed; the worker that is left.
fn crash(scenario: &Scenario, run: &mut Command, chg: impl Fn() -> Command) -> Result<i32> {
    let mut launcher = Running::start(quiet(run))?;
    let pids = on_gpu(scenario, 3, 2)?;
    let told: serde_json::Value = serde_json::from_str(&output(chg().args(["status", "--json"]))?)?;
    let command = told[3]["reservation"]["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok());
    let command = command.ok_or("the run on GPU 3 has no command")?;
    let orphan = pids.into_iter().find(|pid| *pid != command).ok_or("the run has no worker")?;
    signal(launcher.pid(), libc::SIGKILL);
    launcher.wait()?;
    signal(command, libc::SIGKILL);
    wait_until("the end of the command", || started(command).is_none())?;
    Ok(orphan)
}

fn on_gpu(scenario: &Scenario, gpu: u32, count: usize) -> Result<Vec<i32>> {
    wait_until("the workers are on their GPU", || scenario.pids_on(gpu).len() == count)?;
    Ok(scenario.pids_on(gpu))
}

/// A control group with the name that Docker gives to a container's.
#[derive(Debug)]
struct Group {
    path: PathBuf,
    id: String,
}

impl Group {
    fn new() -> Result<Self> {
        let id: String = (0..4).map(|_| format!("{:016x}", clock::random())).collect();
        let hierarchies = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd"];
        for hierarchy in hierarchies {
            let path = Path::new(hierarchy).join(format!("docker-{id}.scope"));
            if fs::create_dir(&path).is_ok() {
                let group = Self { path, id: id.clone() };
                if group.path.join("cgroup.procs").exists() {
                    return Ok(group);
                }
            }
        }
        Err("no control group can be made".into())
    }

    fn take(&self, pid: i32) -> Result<()> {
        Ok(fs::write(self.path.join("cgroup.procs"), pid.to_string())?)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = wait_until("the group is empty", || {
            fs::remove_dir(&self.path)
                .map_or_else(|error| error.kind() == std::io::ErrorKind::NotFound, |()| true)
        });
    }
}
