//! `chg shim install`, `remove`, `list`, `env`: shims as files in a directory of PATH.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf, absolute};

use crate::cli::ShimVerb;
use crate::config::Config;
use crate::error::{Error, While};
use crate::exit::Exit;
use crate::output::{Line, Out, Tone};
use crate::shim::{self, Placed};

/// Every verb about shims but the call of one.
pub(crate) fn obey(verb: &ShimVerb, config: &Config, out: &Out) -> Result<Exit, Error> {
    match verb {
        ShimVerb::Install(args) => {
            let directory = chosen(args.dir.as_deref(), config)?;
            let placed = shim::install(&args.names, &directory, &own_path()?)?;
            out.print(&placed.iter().map(told).collect::<Vec<_>>())?;
            if !is_in_path(&directory) {
                out.warn("its directory is not in PATH", Some(&advice(args.dir.as_deref(), &directory)));
            }
        }
        ShimVerb::Remove(args) => {
            let removed = shim::remove(&args.names, &chosen(args.dir.as_deref(), config)?)?;
            let all_of_them = args.names.is_empty();
            let worth_telling = |placed: &&Placed| !(all_of_them && matches!(placed, Placed::Absent(_)));
            out.print(&removed.iter().filter(worth_telling).map(told).collect::<Vec<_>>())?;
        }
        ShimVerb::List => {
            out.print(&list(&chosen(None, config)?))?;
        }
        ShimVerb::Env => {
            out.print_text(&(shim::env_line(&fit_for_path(chosen(None, config)?)?) + "\n"))?;
        }
        // Answered before the configuration was read.
        ShimVerb::Call(_) => return Ok(Exit::Failed),
    }
    Ok(Exit::Done)
}

/// Where shims are if nobody says otherwise.
pub(crate) fn directory(config: &Config) -> Option<PathBuf> {
    let (data, home) = (env::var_os("XDG_DATA_HOME"), env::var_os("HOME"));
    let usual = || shim::usual_dir(data.as_deref().map(Path::new), home.as_deref().map(Path::new));
    config.shim_dir().map(|set| set.value).or_else(usual)
}

fn chosen(typed: Option<&Path>, config: &Config) -> Result<PathBuf, Error> {
    let directory = typed.map(Path::to_path_buf).or_else(|| directory(config));
    let directory = directory.ok_or_else(|| Error::Failed {
        message: "HOME is not set, so that there is no place for shims".into(),
        hint: Some("set shim.dir in the configuration, or say --dir DIRECTORY".into()),
    })?;
    absolute(directory).doing("finding the working directory")
}

/// Where this program is, as people find it: what its links lead to themselves may be gone after an upgrade.
fn own_path() -> Result<PathBuf, Error> {
    let own = env::current_exe().doing("finding out which program this is")?;
    let is_own = |file: &PathBuf| file.canonicalize().is_ok_and(|file| file == own);
    let path = env::var_os("PATH").unwrap_or_default();
    let named = env::split_paths(&path)
        .filter(|directory| directory.is_absolute())
        .flat_map(|directory| ["chg", "canhazgpu"].map(|name| directory.join(name)))
        .find(is_own);
    Ok(named.unwrap_or(own))
}

fn fit_for_path(directory: PathBuf) -> Result<PathBuf, Error> {
    if directory.as_os_str().as_encoded_bytes().contains(&b':') {
        let message = format!("{} cannot stand in PATH: it has a colon", directory.display());
        return Err(Error::Failed { message, hint: None });
    }
    Ok(directory)
}

fn is_in_path(directory: &Path) -> bool {
    let same =
        |entry: PathBuf| entry == directory || entry.canonicalize().ok() == directory.canonicalize().ok();
    env::split_paths(&env::var_os("PATH").unwrap_or_default()).any(same)
}

fn advice(typed: Option<&Path>, directory: &Path) -> String {
    match typed {
        None => "put it first there, now and in your shell's start-up file: eval \"$(chg shim env)\"".into(),
        Some(_) => format!("put {} first there, before the real programs", directory.display()),
    }
}

fn told(placed: &Placed) -> Line {
    let (word, path) = match placed {
        Placed::Written(path) => ("Installed", path),
        Placed::Removed(path) => ("Removed", path),
        Placed::Absent(path) => ("Not there:", path),
    };
    Line::from(format!("{word} {}", path.display()))
}

/// A line per shim: whether it is installed, in `directory` or where PATH finds it, and what it would run.
fn list(directory: &Path) -> Vec<Line> {
    let path = env::var_os("PATH").unwrap_or_default();
    let own = env::current_exe().unwrap_or_default();
    let heading = columns([(Tone::Strong, "SHIM"), (Tone::Strong, "INSTALLED"), (Tone::Strong, "RUNS")]);
    let rows = shim::names().map(|name| {
        let installed = is_installed(name, directory) || goes_first(name, &path, &own);
        let real = shim::find_real(shim::program(name), &path, &own).ok();
        let real = real.as_deref().map(Path::to_string_lossy);
        columns([
            (Tone::Plain, name),
            if installed { (Tone::Good, "yes") } else { (Tone::Dim, "no") },
            real.as_deref().map_or((Tone::Dim, "not in PATH"), |real| (Tone::Plain, real)),
        ])
    });
    std::iter::once(heading).chain(rows).collect()
}

fn columns(cells: [(Tone, &str); 3]) -> Line {
    let mut line = Line::new();
    for ((tone, text), ends_at) in cells.into_iter().zip([20, 32, 0]) {
        line.push(tone, text);
        line.pad_to(ends_at);
    }
    line
}

/// Whether who types `name` gets a shim, in whatever directory.
fn goes_first(name: &str, path: &OsStr, own: &Path) -> bool {
    shim::in_path(name, path, own).next().is_some_and(|first| first.is_err())
}

fn is_installed(name: &str, directory: &Path) -> bool {
    shim::in_path(name, directory.as_os_str(), Path::new("")).any(|found| found.is_err())
}
