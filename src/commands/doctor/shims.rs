//! What PATH leads to: this program under its names, shims, and the real programs behind them. Pure.

use std::path::{Path, PathBuf};

use crate::output::{Area, Finding, Mend};

/// What was found out about PATH.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// The file that runs now.
    pub(super) own: PathBuf,
    pub(super) names: Vec<Name>,
    /// The directory where the user's shims go, if any are there.
    pub(super) directory: Option<PathBuf>,
    pub(super) path: Vec<PathBuf>,
    /// Shims in PATH, by name.
    pub(super) shims: Vec<Shim>,
    /// Links in the user's directory whose program is no longer there.
    pub(super) dangling: Vec<PathBuf>,
}

/// One of the names of this program.
#[derive(Debug)]
pub(super) struct Name {
    pub(super) name: &'static str,
    pub(super) leads: Leads,
}

/// What a name leads to in PATH.
#[derive(Debug)]
pub(super) enum Leads {
    Here,
    Nowhere,
    /// Another file: the Go program, or another version.
    Elsewhere(PathBuf),
}

/// A name that has a shim in PATH.
#[derive(Debug)]
pub(super) struct Shim {
    pub(super) name: &'static str,
    pub(super) file: PathBuf,
    pub(super) made: Made,
    pub(super) stands: Stands,
    /// The program that it would run.
    pub(super) real: Option<PathBuf>,
}

/// How a shim comes to this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Made {
    Link,
    /// It looks for `chg` in PATH.
    Script,
}

/// Whether typing the name runs the shim.
#[derive(Debug)]
pub(super) enum Stands {
    First,
    Behind(PathBuf),
}

pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let mut found: Vec<_> = facts.names.iter().filter_map(|name| name_of_ours(name, facts)).collect();
    if let Some(directory) = facts.directory.as_ref().filter(|directory| !facts.path.contains(directory)) {
        found.push(Finding::warning(
            Area::Shims,
            format!("shims are installed in {}, which is not in PATH", directory.display()),
            Mend::run("eval \"$(chg shim env)\"").and("in the shell's startup file, to last"),
        ));
    }
    found.extend(facts.shims.iter().filter_map(|shim| behind(shim, facts)));
    found.extend(facts.dangling.iter().map(|file| leads_nowhere(file)));
    found.push(Finding::ok(Area::Shims, sum(&facts.shims)));
    found
}

fn name_of_ours(Name { name, leads }: &Name, facts: &Facts) -> Option<Finding> {
    let own = facts.own.display();
    match leads {
        Leads::Here => None,
        Leads::Nowhere if facts.shims.iter().all(|shim| shim.made == Made::Link) => None,
        Leads::Nowhere => Some(Finding::warning(
            Area::Shims,
            format!("{name} is not in PATH, so that shims do not find it"),
            Mend::run(format!("PATH=\"$PATH:{}\"", facts.own.parent().unwrap_or(Path::new("/")).display())),
        )),
        Leads::Elsewhere(other) => Some(Finding::warning(
            Area::Shims,
            format!("{name} in PATH is {}, another program than {own}", other.display()),
            "remove the one that is not wanted, or change the order of PATH",
        )),
    }
}

fn leads_nowhere(file: &Path) -> Finding {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let message = format!("{name} runs without a reservation: its shim {} leads nowhere", file.display());
    Finding::warning(Area::Shims, message, Mend::run(format!("chg shim install {name}")))
}

fn behind(shim: &Shim, facts: &Facts) -> Option<Finding> {
    let Stands::Behind(other) = &shim.stands else { return None };
    let (name, file) = (shim.name, shim.file.display());
    let is_in_usual_place = facts.directory.as_deref() == shim.file.parent();
    let mend = if is_in_usual_place {
        Mend::run("eval \"$(chg shim env)\"").and("as the last change of PATH in the shell's startup file")
    } else {
        let directory = shim.file.parent().unwrap_or(Path::new("/")).display();
        Mend::run(format!("PATH=\"{directory}:$PATH\"")).and("in the shell's startup file, to last")
    };
    let message = format!("{name} runs {}, which stands before its shim {file} in PATH", other.display());
    Some(Finding::warning(Area::Shims, message, mend))
}

fn sum(shims: &[Shim]) -> String {
    let stand_first = shims.iter().filter(|shim| matches!(shim.stands, Stands::First));
    let shown: Vec<_> = stand_first
        .map(|shim| match &shim.real {
            Some(real) => format!("{} runs {}", shim.name, real.display()),
            None => format!("{} finds no real program", shim.name),
        })
        .collect();
    if shown.is_empty() { "none in use".to_owned() } else { format!("in use: {}", shown.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Level;

    fn shim(name: &'static str, stands: Stands, real: Option<&str>) -> Shim {
        let file = Path::new("/home/a/shims").join(name);
        Shim { name, file, made: Made::Script, stands, real: real.map(PathBuf::from) }
    }

    fn facts(shims: Vec<Shim>) -> Facts {
        let path = vec!["/home/a/shims".into(), "/usr/bin".into()];
        Facts { own: "/usr/bin/chg".into(), path, shims, ..Facts::default() }
    }

    fn messages(facts: &Facts) -> Vec<(Level, String)> {
        judge(facts).into_iter().map(|one| (one.level, one.message)).collect()
    }

    fn first(facts: &Facts) -> (Level, String) {
        messages(facts).swap_remove(0)
    }

    #[test]
    fn shims_that_stand_first_are_told_with_what_they_run() {
        let shims =
            vec![shim("vllm", Stands::First, Some("/usr/bin/vllm")), shim("docker", Stands::First, None)];
        let expected = "in use: vllm runs /usr/bin/vllm, docker finds no real program".to_owned();
        assert_eq!(messages(&facts(shims)), [(Level::Ok, expected)]);
        assert_eq!(messages(&facts(Vec::new())), [(Level::Ok, "none in use".to_owned())]);
    }

    #[test]
    fn a_shim_behind_its_program_is_no_use() {
        let shims = vec![shim("vllm", Stands::Behind("/opt/vllm".into()), Some("/opt/vllm"))];
        let (level, message) = first(&facts(shims));
        assert_eq!(level, Level::Warning);
        assert_eq!(message, "vllm runs /opt/vllm, which stands before its shim /home/a/shims/vllm in PATH");
    }

    #[test]
    fn shims_outside_of_path_are_no_use() {
        let outside =
            Facts { directory: Some("/home/a/.local/share/canhazgpu/shims".into()), ..facts(vec![]) };
        assert_eq!(first(&outside).0, Level::Warning);
        let inside = Facts { directory: Some("/home/a/shims".into()), ..facts(vec![]) };
        assert_eq!(first(&inside).0, Level::Ok);
    }

    #[test]
    fn a_link_whose_program_is_gone_is_told() {
        let dangling = vec!["/home/a/shims/vllm".into()];
        let (level, message) = first(&Facts { dangling, ..facts(vec![]) });
        assert_eq!(level, Level::Warning);
        assert_eq!(message, "vllm runs without a reservation: its shim /home/a/shims/vllm leads nowhere");
    }

    #[test]
    fn another_program_of_our_name_is_told_and_a_missing_one_where_shims_need_it() {
        let named = |leads, shims| Facts { names: vec![Name { name: "chg", leads }], ..facts(shims) };
        let (level, message) = first(&named(Leads::Elsewhere("/usr/local/bin/chg".into()), vec![]));
        assert_eq!(level, Level::Warning);
        assert_eq!(message, "chg in PATH is /usr/local/bin/chg, another program than /usr/bin/chg");
        assert_eq!(first(&named(Leads::Nowhere, vec![])).0, Level::Ok);
        let used = vec![shim("vllm", Stands::First, None)];
        assert_eq!(first(&named(Leads::Nowhere, used)).0, Level::Warning);
        let linked = vec![Shim { made: Made::Link, ..shim("vllm", Stands::First, None) }];
        assert_eq!(first(&named(Leads::Nowhere, linked)).0, Level::Ok, "a link needs no PATH");
        assert_eq!(messages(&named(Leads::Here, vec![])).len(), 1);
    }
}
