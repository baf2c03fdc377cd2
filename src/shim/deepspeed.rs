//! `deepspeed` and `ds`: its options that pick GPUs become the reservation and are dropped, because the launcher
//! deletes CUDA_VISIBLE_DEVICES when it sees them. Pure. Learnt from deepspeed/launcher/runner.py of 0.19.

use std::ffi::OsString;
use std::path::Path;

use super::words::{Found, Names, Options, only_asks, script_at, without};
use super::{Arguments, Judgement, Needs, Verdict, World, product, whole};
use crate::model::gpu_list;

const COUNTS: Names = &["--num-gpus", "--num-accelerators"];
const INCLUDE: Names = &["--include", "-i"];
const EXCLUDE: Names = &["--exclude", "-e"];
const HOSTS: Names = &["--hostfile", "-H"];
const MACHINES: Names = &["--num-nodes"];
/// Read without being named.
const USUAL_HOSTS: &str = "/job/hostfile";

const SWITCHES: Names = &[
    "--force-multi",
    "--module",
    "--no-python",
    "--no-local-rank",
    "--no-ssh",
    "--no-ssh-check",
    "--save-pid",
    "--elastic-training",
    "--bind-cores-to-rank",
    "--detect-nvlink-pairs",
    "--quiet",
    "-q",
];

/// Names that may be abbreviated, and what an abbreviation of one of them could mean besides.
const KNOWN: Names = &[
    "--num-gpus",
    "--num-accelerators",
    "--num-nodes",
    "--include",
    "-i",
    "--exclude",
    "-e",
    "--enable-each-rank-log",
    "--elastic-training",
    "--hostfile",
    "-H",
    "--help",
];

pub(super) fn judge(words: &[String], arguments: &[OsString], world: &World<'_>) -> Judgement {
    judge_from(words, arguments, 0, world)
}

/// Judges a command line whose own words begin at `from`.
pub(super) fn judge_from(
    words: &[String],
    arguments: &[OsString],
    from: usize,
    world: &World<'_>,
) -> Judgement {
    let rest = words.get(from..).unwrap_or_default();
    let own = &rest[..script_at(rest, SWITCHES)];
    if rest.is_empty() || only_asks(own) {
        return whole(Ok(Needs::Nothing), arguments);
    }
    let options = Options::abbreviated(own, KNOWN);
    // It puts what it is shown into --include, and takes that for a contradiction to any number of nodes.
    let picking: Vec<Found> =
        [COUNTS, INCLUDE, EXCLUDE, MACHINES].iter().flat_map(|names| options.all(names)).collect();
    match needs(&options, world) {
        Ok(needs) => Judgement { needs, arguments: Arguments::Known(without(arguments, from, &picking)) },
        unclear => whole(unclear, arguments),
    }
}

fn needs(options: &Options<'_>, world: &World<'_>) -> Verdict {
    // Where there is no such file, it stays here.
    let hosts = options.value(HOSTS).unwrap_or_else(|| USUAL_HOSTS.to_owned());
    if (world.read)(Path::new(&hosts)).is_some() {
        return Err(format!("{hosts} spreads it over several machines"));
    }
    // -1 is its own word for what is not said.
    let said = |names| options.value(names).filter(|count| count != "-1");
    let number = |text: &str| text.parse::<u32>().map_err(|_| format!("'{text}' is not a number"));
    if said(MACHINES).map(|count| number(&count)).transpose()?.unwrap_or(1) > 1 {
        return Err("it runs on several machines".to_owned());
    }
    match (options.value(INCLUDE), options.value(EXCLUDE)) {
        (Some(_), Some(_)) => Err("--include and --exclude exclude each other".to_owned()),
        (Some(list), None) => Ok(slots(&list)?.map_or(Needs::AllFree, Needs::Exactly)),
        (None, Some(list)) => match slots(&list)? {
            Some(ids) => Ok(Needs::AllBut(ids)),
            None => Err(format!("--exclude '{list}' leaves no GPU")),
        },
        (None, None) => match said(COUNTS) {
            None => Ok(Needs::AllFree),
            Some(count) => product(&[number(&count)?]),
        },
    }
}

/// `localhost:0,2` or `localhost`, which is all of it: `None`.
fn slots(list: &str) -> Result<Option<Vec<crate::model::ids::GpuIndex>>, String> {
    let (host, ids) = list.split_once(':').map_or((list, None), |(host, ids)| (host, Some(ids)));
    if host != "localhost" || list.contains('@') {
        return Err(format!("'{list}' names another machine"));
    }
    ids.map(|ids| gpu_list::parse(ids).map_err(|wrong| wrong.to_string())).transpose()
}
