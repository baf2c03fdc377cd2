//! `accelerate launch`: processes over all machines, from its options or its configuration, one GPU each. Pure.
//! Learnt from accelerate/commands/launch.py of 1.15, which takes no abbreviations.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::words::{Names, Options, only_asks, script_at, without};
use super::{Arguments, Judgement, Needs, World, product, share, whole, yaml};
use crate::model::gpu_list;

const PROCESSES: Names = &["--num-processes"];
const MACHINES: Names = &["--num-machines"];
const CONFIG: Names = &["--config-file"];
const IDS: Names = &["--gpu-ids"];
const HOSTS: Names = &["--deepspeed-hostfile"];
/// It stands among the settings of DeepSpeed.
const HOSTS_OF_FILE: &str = "deepspeed_hostfile";
/// No GPU of the kind that is reserved here.
const ELSEWHERE: Names = &["--cpu", "--use-cpu", "--tpu", "--use-mps-device"];

const SWITCHES: Names = &[
    "--cpu",
    "--use-cpu",
    "--multi-gpu",
    "--tpu",
    "--use-mps-device",
    "--ipex",
    "--use-xpu",
    "--dynamo-use-fullgraph",
    "--dynamo-use-dynamic",
    "--dynamo-use-regional-compilation",
    "--use-deepspeed",
    "--use-fsdp",
    "--use-parallelism-config",
    "--use-megatron-lm",
    "--tpu-cluster",
    "--no-tpu-cluster",
    "--tpu-use-sudo",
    "--downcast-bf16",
    "--same-network",
    "-m",
    "--module",
    "--no-python",
    "--debug",
    "-q",
    "--quiet",
    "--enable-cpu-affinity",
    "--fp8-use-autocast-during-eval",
];

/// Judges a whole command line, whose verb is the word at `from`.
pub(super) fn judge(words: &[String], arguments: &[OsString], from: usize, world: &World<'_>) -> Judgement {
    let own = words.get(from..).unwrap_or_default();
    match own.first().map(String::as_str) {
        Some("launch") => judge_launch(words, arguments, from + 1, world),
        Some("test") if !only_asks(own) => whole(needs(&Options::of(own), world), arguments),
        // config, env, estimate-memory, merge-weights, to-fsdp2, tpu-config
        _ => whole(Ok(Needs::Nothing), arguments),
    }
}

/// Judges `accelerate launch`, whose own words begin at `from`.
pub(super) fn judge_launch(
    words: &[String],
    arguments: &[OsString],
    from: usize,
    world: &World<'_>,
) -> Judgement {
    let rest = words.get(from..).unwrap_or_default();
    let own = &rest[..script_at(rest, SWITCHES)];
    if only_asks(own) || rest.is_empty() {
        return whole(Ok(Needs::Nothing), arguments);
    }
    let options = Options::of(own);
    let verdict = needs(&options, world);
    let Ok(needs) = verdict else { return whole(verdict, arguments) };
    let mut kept = without(arguments, from, &options.all(IDS));
    // Accelerate would write the ids of its configuration over our variable: `all` keeps it from that.
    if ids(settings(&options, world).unwrap_or_default().as_ref()).is_some() {
        kept.insert(from, OsString::from("--gpu_ids=all"));
    }
    Judgement { needs, arguments: Arguments::Known(kept) }
}

fn needs(options: &Options<'_>, world: &World<'_>) -> Result<Needs, String> {
    if options.has(ELSEWHERE) {
        return Ok(Needs::Nothing);
    }
    let file = settings(options, world)?;
    if let (Some(named), None) = (options.value(CONFIG), &file) {
        return Err(format!("{named} cannot be read"));
    }
    let set = |key: &str| file.as_ref().and_then(|file| file.get(key)).cloned();
    let is = |key: &str, wanted: &str| set(key).is_some_and(|value| value.eq_ignore_ascii_case(wanted));
    // A job that Amazon runs, or one without GPUs.
    if set("use_cpu").and_then(|value| yaml::switch(&value)) == Some(true)
        || is("compute_environment", "AMAZON_SAGEMAKER")
        || is("distributed_type", "TPU")
    {
        return Ok(Needs::Nothing);
    }
    let listed = match options.value(IDS) {
        Some(typed) => Some(typed).filter(|typed| typed != "all"),
        None => ids(file.as_ref()),
    };
    if let Some(list) = listed {
        return gpu_list::parse(&list).map(Needs::Exactly).map_err(|wrong| wrong.to_string());
    }
    let configured = |key: &str| {
        let read =
            |text: String| text.parse::<u32>().map_err(|_| format!("{key} of its configuration is '{text}'"));
        set(key).map(read).transpose()
    };
    let machines = options.number(MACHINES)?.or(configured("num_machines")?).unwrap_or(1);
    // DeepSpeed's launcher, which starts them by ssh, knows nothing of what is reserved here.
    let starts_them = options.value(HOSTS).or(set(HOSTS_OF_FILE)).is_some();
    if machines > 1 && starts_them {
        return Err("a host file of DeepSpeed spreads it over several machines".to_owned());
    }
    // -1 in a file: to be named on the command line.
    let written = set("num_processes").filter(|count| count != "-1");
    match options.number(PROCESSES)?.or(written.map(|_| configured("num_processes")).transpose()?.flatten()) {
        // A process takes a GPU at least: 0 stands for what it finds.
        Some(0) | None => Ok(Needs::AllFree),
        Some(total) => share(product(&[total])?, machines),
    }
}

fn ids(file: Option<&BTreeMap<String, String>>) -> Option<String> {
    file?.get("gpu_ids").filter(|ids| *ids != "all" && *ids != "null").cloned()
}

fn settings(options: &Options<'_>, world: &World<'_>) -> Result<Option<BTreeMap<String, String>>, String> {
    let places = match options.value(CONFIG) {
        Some(named) => vec![PathBuf::from(named)],
        None => usual_places(world),
    };
    let found = places.iter().find_map(|path| (world.read)(path).map(|text| (path, text)));
    let read = |(path, text): (&PathBuf, String)| {
        let set = yaml::scalars(&text).map_err(|wrong| format!("{}: {wrong}", path.display()))?;
        let mut set: BTreeMap<_, _> = set.into_iter().collect();
        if yaml::is_set_anywhere(&text, HOSTS_OF_FILE) {
            set.insert(HOSTS_OF_FILE.to_owned(), String::new());
        }
        Ok(set)
    };
    found.map(read).transpose()
}

/// Where `accelerate config` writes by itself.
fn usual_places(world: &World<'_>) -> Vec<PathBuf> {
    let cache = world
        .variable("HF_HOME")
        .map(PathBuf::from)
        .or_else(|| world.variable("XDG_CACHE_HOME").map(|cache| Path::new(&cache).join("huggingface")))
        .or_else(|| world.home(".cache/huggingface"));
    let cache = cache.map(|cache| cache.join("accelerate"));
    cache
        .iter()
        .flat_map(|cache| ["default_config.yaml", "default_config.json"].map(|name| cache.join(name)))
        .collect()
}
