//! `docker run --gpus` and `podman run --gpus`: how many GPUs, and the same call naming the ones that were granted.
//! Pure.

use std::ffi::OsString;
use std::num::NonZeroU32;

use super::{Arguments, Judgement, Needs, Verdict, World, whole};
use crate::model::gpu_list;
use crate::model::ids::{GpuIndex, LeaseId};
use crate::model::process::RESERVATION_LABEL;

/// Whose command line it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Engine {
    Docker,
    Podman,
}

/// A container call whose GPUs are filled in after the grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ContainerCall {
    engine: Engine,
    words: Vec<OsString>,
    /// Where the options of `run` begin.
    options_at: usize,
    /// Where `--gpus` stands, and in how many words.
    gpus_at: (usize, usize),
    /// What `--gpus` said besides which GPUs: capabilities, driver, options.
    besides: Vec<String>,
}

/// What a container is given.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Grant<'a> {
    pub(crate) reservation: &'a LeaseId,
    pub(crate) gpus: &'a [GpuIndex],
}

impl ContainerCall {
    /// The arguments with the GPUs that were granted.
    pub(crate) fn with(&self, grant: Grant<'_>) -> Vec<OsString> {
        let ids = gpu_list::compact(grant.gpus);
        let (gpus_at, gpus_words) = self.gpus_at;
        let mut words = self.words[..self.options_at].to_vec();
        words.extend(["--label".into(), format!("{RESERVATION_LABEL}={}", grant.reservation).into()]);
        words.extend(["--env".into(), format!("NVIDIA_VISIBLE_DEVICES={ids}").into()]);
        words.extend_from_slice(&self.words[self.options_at..gpus_at]);
        words.extend(self.devices(grant.gpus, &ids));
        words.extend_from_slice(&self.words[gpus_at + gpus_words..]);
        words
    }

    fn devices(&self, gpus: &[GpuIndex], ids: &str) -> Vec<OsString> {
        match self.engine {
            Engine::Docker => {
                // The value is a line of CSV: a field with a comma in it stands in quotes.
                let fields: Vec<String> = std::iter::once(format!("\"device={ids}\""))
                    .chain(self.besides.iter().map(|field| format!("\"{field}\"")))
                    .collect();
                vec!["--gpus".into(), fields.join(",").into()]
            }
            // Its --gpus knows no list; a device of the container device interface is the same in every version.
            Engine::Podman => gpus
                .iter()
                .flat_map(|gpu| ["--device".into(), format!("nvidia.com/gpu={gpu}").into()])
                .collect(),
        }
    }
}

/// Options of an engine itself that take a value in the next word, of Docker first.
const ENGINE_VALUED: &[&str] = &[
    "--config",
    "-c",
    "--context",
    "-H",
    "--host",
    "-l",
    "--log-level",
    "--tlscacert",
    "--tlscert",
    "--tlskey",
    "--cdi-spec-dir",
    "--cgroup-manager",
    "--conmon",
    "--connection",
    "--default-mounts-file",
    "--events-backend",
    "--hooks-dir",
    "--identity",
    "--imagestore",
    "--module",
    "--namespace",
    "--network-cmd-path",
    "--network-config-dir",
    "--out",
    "--root",
    "--runroot",
    "--runtime",
    "--runtime-flag",
    "--ssh",
    "--storage-driver",
    "--storage-opt",
    "--tls-ca",
    "--tls-cert",
    "--tls-key",
    "--tmpdir",
    "--url",
    "--volumepath",
];

/// Options of `run` without a value; every other one takes one.
const SWITCHES: &[&str] = &[
    "--detach",
    "--disable-content-trust",
    "--env-host",
    "--help",
    "--http-proxy",
    "--init",
    "--interactive",
    "--no-healthcheck",
    "--no-hostname",
    "--no-hosts",
    "--oom-kill-disable",
    "--passwd",
    "--privileged",
    "--publish-all",
    "--quiet",
    "--read-only",
    "--read-only-tmpfs",
    "--replace",
    "--rm",
    "--rmi",
    "--rootfs",
    "--sig-proxy",
    "--tls-verify",
    "--tty",
    "--unsetenv-all",
    "--use-api-socket",
];

/// Short ones of the same kind.
const SHORT_SWITCHES: &str = "ditPq";

pub(super) fn judge(
    words: &[String],
    arguments: &[OsString],
    engine: Engine,
    world: &World<'_>,
) -> Judgement {
    let nothing = || whole(Ok(Needs::Nothing), arguments);
    let Some((options_at, machine)) = find_run(words, engine, world) else { return nothing() };
    let found = read_options(words, options_at);
    let Some((at, count, value)) = found.gpus.clone() else { return nothing() };
    match machine {
        Machine::This => {}
        Machine::Another => return nothing(),
        Machine::Unknown(what) => {
            return whole(Err(format!("{what} may be another machine's")), arguments);
        }
    }
    if found.times > 1 {
        return whole(Err("--gpus stands there more than once".to_owned()), arguments);
    }
    if found.detached {
        let why = "a detached container outlives the reservation; run it without --detach, or reserve first";
        return whole(Err(why.to_owned()), arguments);
    }
    match wanted(&value) {
        Ok((Needs::Nothing, _)) => nothing(),
        Err(why) => whole(Err(why), arguments),
        Ok((needs, besides)) => {
            let call = ContainerCall {
                engine,
                words: arguments.to_vec(),
                options_at,
                gpus_at: (at, count),
                besides,
            };
            Judgement { needs, arguments: Arguments::Container(call) }
        }
    }
}

/// Where the engine runs.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Machine {
    This,
    /// Its GPUs are not ours to reserve.
    Another,
    /// Named by something that only the engine's configuration explains.
    Unknown(String),
}

impl Machine {
    fn of_host(host: &str) -> Self {
        if is_local(host) { Self::This } else { Self::Another }
    }

    fn of_context(name: &str) -> Self {
        if name == "default" { Self::This } else { Self::Unknown(format!("context '{name}'")) }
    }

    /// What the environment says; a host goes before a context there.
    fn of_variables(engine: Engine, world: &World<'_>) -> Self {
        let (host, context) = match engine {
            Engine::Docker => ("DOCKER_HOST", "DOCKER_CONTEXT"),
            Engine::Podman => ("CONTAINER_HOST", "CONTAINER_CONNECTION"),
        };
        let context = || world.variable(context).map(|name| Self::of_context(&name));
        let host = world.variable(host).map(|host| Self::of_host(&host));
        host.or_else(context).unwrap_or(Self::This)
    }
}

/// Where the options of `run` begin, and on which machine it runs.
fn find_run(words: &[String], engine: Engine, world: &World<'_>) -> Option<(usize, Machine)> {
    let (mut at, mut machine) = (0, Machine::of_variables(engine, world));
    while let Some(word) = words.get(at).filter(|word| word.starts_with('-')) {
        let (name, value) =
            word.split_once('=').map_or((word.as_str(), None), |(name, value)| (name, Some(value)));
        let valued = ENGINE_VALUED.contains(&name);
        let value = value.or_else(|| words.get(at + 1).filter(|_| valued).map(String::as_str));
        match (name, value) {
            ("-H" | "--host" | "--url", Some(host)) => machine = Machine::of_host(host),
            ("-c" | "--context" | "--connection", Some(context)) => machine = Machine::of_context(context),
            // Where that is, its configuration says.
            ("-r" | "--remote", None) if machine == Machine::This => {
                machine = Machine::Unknown("what --remote means".to_owned());
            }
            _ => {}
        }
        at += if valued && !word.contains('=') { 2 } else { 1 };
    }
    let at = if words.get(at).is_some_and(|word| word == "container") { at + 1 } else { at };
    words.get(at).filter(|word| *word == "run").map(|_| (at + 1, machine))
}

fn is_local(host: &str) -> bool {
    host.starts_with("unix://") || host.starts_with('/')
}

#[derive(Debug, Default)]
struct RunOptions {
    gpus: Option<(usize, usize, String)>,
    /// How often it stands there.
    times: usize,
    detached: bool,
}

/// Reads the options up to the image: what follows it is the container's.
fn read_options(words: &[String], from: usize) -> RunOptions {
    let mut found = RunOptions::default();
    let mut at = from;
    while let Some(word) = words.get(at).filter(|word| word.starts_with('-') && *word != "-" && *word != "--")
    {
        let (name, value) =
            word.split_once('=').map_or((word.as_str(), None), |(name, value)| (name, Some(value)));
        let long = name.starts_with("--");
        let takes_next =
            value.is_none() && if long { !SWITCHES.contains(&name) } else { short_takes_next(word) };
        let count = if takes_next { 2 } else { 1 };
        match name {
            "--gpus" => {
                let value = value.map(str::to_owned).or_else(|| words.get(at + 1).cloned());
                found.gpus = value.map(|value| (at, count, value));
                found.times += 1;
            }
            "--detach" => found.detached = !value.is_some_and(is_false),
            short if !long && short_switches(short).contains('d') => found.detached = true,
            _ => {}
        }
        at += count;
    }
    found
}

/// As Go reads it.
fn is_false(value: &str) -> bool {
    matches!(value, "0" | "f" | "F" | "false" | "False" | "FALSE")
}

/// The switches at the front of a cluster such as `-itv`.
fn short_switches(word: &str) -> &str {
    let letters = &word[1..];
    let end = letters.find(|letter| !SHORT_SWITCHES.contains(letter)).unwrap_or(letters.len());
    &letters[..end]
}

/// `-itv`: the first letter that is no switch takes the rest of the word, or the next one if there is no rest.
fn short_takes_next(word: &str) -> bool {
    let after = &word[1 + short_switches(word).len()..];
    after.chars().count() == 1
}

/// Reads the value of `--gpus`: which GPUs, and what it says besides.
fn wanted(value: &str) -> Result<(Needs, Vec<String>), String> {
    let (mut needs, mut ids, mut besides) = (None, Vec::new(), Vec::new());
    let mut in_list = false;
    for field in csv(value) {
        match field.split_once('=') {
            Some(("device", list)) => {
                ids.push(list.to_owned());
                in_list = true;
            }
            Some(("count", count)) => needs = Some(counted(count)?),
            Some(_) => {
                besides.push(field);
                in_list = false;
            }
            // The quotes were forgotten: `device=0,1` falls into two fields.
            None if in_list => ids.push(field),
            None => needs = Some(counted(&field)?),
        }
    }
    match (ids.is_empty(), needs) {
        (true, Some(needs)) => Ok((needs, besides)),
        (true, None) => Err(format!("--gpus '{value}' says neither how many nor which")),
        (false, None) => exactly(&ids.join(",")).map(|needs| (needs, besides)),
        (false, Some(_)) => Err(format!("--gpus '{value}' gives both a count and devices")),
    }
}

fn counted(text: &str) -> Verdict {
    match text {
        "all" | "-1" => Ok(Needs::AllFree),
        number => {
            let count: u32 = number.parse().map_err(|_| format!("--gpus '{number}' is no count"))?;
            Ok(NonZeroU32::new(count).map_or(Needs::Nothing, Needs::Count))
        }
    }
}

fn exactly(list: &str) -> Verdict {
    gpu_list::parse(list).map(Needs::Exactly).map_err(|wrong| format!("--gpus device: {wrong}"))
}

/// One line of CSV, quotes taken off.
fn csv(line: &str) -> Vec<String> {
    let (mut fields, mut field, mut quoted) = (Vec::new(), String::new(), false);
    for letter in line.chars() {
        match letter {
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(std::mem::take(&mut field)),
            other => field.push(other),
        }
    }
    fields.push(field);
    fields
}
