//! What the servers of vllm and sglang share: settings in a file, GPUs that are picked by number, and Ray. Pure.

use std::ffi::OsString;
use std::path::Path;

use super::words::{Names, Options, only_asks, without};
use super::{Arguments, Judgement, Needs, Verdict, World, whole, yaml};

/// How the options of a server are read.
pub(super) struct Engine {
    /// Names that may be abbreviated, and what an abbreviation of one of them could mean besides.
    pub(super) known: Names,
    /// Options that pick GPUs by number, among those that the process sees.
    pub(super) picking: &'static [Names],
    pub(super) count: fn(&Options<'_>, &World<'_>) -> Verdict,
}

const CONFIG: &str = "--config";
const DEVICE: Names = &["--device"];

impl Engine {
    /// Judges a command line in which the options begin at `from`.
    pub(super) fn judge(
        &self,
        words: &[String],
        arguments: &[OsString],
        from: usize,
        world: &World<'_>,
    ) -> Judgement {
        let rest = words.get(from..).unwrap_or_default();
        let verdict = if only_asks(rest) { Ok(Needs::Nothing) } else { self.needs(rest, world) };
        self.taken_over(verdict, words, arguments, from)
    }

    /// What the options come to.
    pub(super) fn needs(&self, words: &[String], world: &World<'_>) -> Verdict {
        let words = self.with_settings(words, world)?;
        let options = Options::abbreviated(&words, self.known);
        if options.value(DEVICE).is_some_and(|device| is_elsewhere(&device)) {
            return Ok(Needs::Nothing);
        }
        (self.count)(&options, world)
    }

    /// Where the GPUs were named, the reservation names them from now on: they would be counted once more among those
    /// that the process sees.
    pub(super) fn taken_over(
        &self,
        verdict: Verdict,
        words: &[String],
        arguments: &[OsString],
        from: usize,
    ) -> Judgement {
        match verdict {
            Ok(needs @ Needs::Exactly(_)) => {
                let options = Options::abbreviated(words.get(from..).unwrap_or_default(), self.known);
                let picking: Vec<_> = self.picking.iter().flat_map(|names| options.all(names)).collect();
                Judgement { needs, arguments: Arguments::Known(without(arguments, from, &picking)) }
            }
            verdict => whole(verdict, arguments),
        }
    }

    /// The settings of a file stand as words before the typed ones, so that these go before them. Both programs look for
    /// the option in full and as a word of its own; written otherwise it does nothing.
    fn with_settings(&self, words: &[String], world: &World<'_>) -> Result<Vec<String>, String> {
        let at = words.iter().position(|word| word == CONFIG);
        let Some((at, file)) = at.and_then(|at| Some((at, words.get(at + 1)?))) else {
            return Ok(words.to_vec());
        };
        let text = (world.read)(Path::new(file)).ok_or_else(|| format!("{file} cannot be read"))?;
        let set = yaml::scalars(&text).map_err(|wrong| format!("{file}: {wrong}"))?;
        let set: Vec<String> = set.into_iter().map(|(key, value)| as_word(&key, &value)).collect();
        let options = Options::abbreviated(&set, self.known);
        if let Some(names) = self.picking.iter().find(|names| options.value(names).is_some()) {
            return Err(format!("{file} sets {}; leave that to the command line", names[0]));
        }
        Ok([&set, &words[..at], &words[at + 2..]].concat())
    }
}

fn as_word(key: &str, value: &str) -> String {
    match yaml::switch(value) {
        Some(true) => format!("--{key}"),
        Some(false) => format!("--no-{key}"),
        None => format!("--{key}={value}"),
    }
}

/// Neither a GPU nor what finds one by itself.
fn is_elsewhere(device: &str) -> bool {
    ["cpu", "tpu", "hpu", "xpu", "npu", "neuron", "musa"].iter().any(|other| device.starts_with(other))
}

/// Refuses to count what Ray is to run, if a cluster is there already: its workers are then started by the cluster, on
/// GPUs that this was given, and not below us. Learnt from ray/_private/services.py of 2.60.
pub(super) fn without_cluster(world: &World<'_>) -> Result<(), String> {
    let address = world.variable("RAY_ADDRESS").filter(|address| address != "local");
    let place = ["RAY_TMPDIR", "TMPDIR"].iter().find_map(|name| world.variable(name));
    let place = place.unwrap_or_else(|| "/tmp".to_owned());
    if address.is_none() && (world.read)(&Path::new(&place).join("ray/ray_current_cluster")).is_none() {
        return Ok(());
    }
    Err("it joins a Ray cluster, which was given GPUs when it was started".to_owned())
}
