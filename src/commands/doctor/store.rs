//! Which store is used, why that one, and whether everybody can use it. Pure.

use std::path::{Path, PathBuf};

use super::word;
use crate::config::{HOST_FILE, Origin};
use crate::model::device::Provider;
use crate::output::{Area, Finding, Mend};
use crate::store::{Files, Rights};

/// What was found out about the store.
#[derive(Debug)]
pub(super) enum Facts {
    /// None can be chosen.
    None {
        why: String,
        hint: Option<String>,
    },
    Chosen {
        url: String,
        why: Why,
        state: State,
    },
}

/// Why this store and no other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Why {
    Named(Origin),
    /// Nobody named one: it is this machine's.
    Machine,
}

/// How it is.
#[derive(Debug)]
pub(super) enum State {
    /// Not there, and made at its first use unless something is in the way.
    Absent {
        /// The directory that is wanted, and why it cannot be made.
        obstacle: Option<(PathBuf, String)>,
    },
    Failed {
        message: String,
        hint: Option<String>,
    },
    Open(Open),
}

/// Whether the modes of the store's files are the caller's to change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caller {
    /// The owner, or root.
    MayChangeIt,
    Anybody,
}

/// A store that answers.
#[derive(Debug)]
pub(super) struct Open {
    /// The pool, if it is made: where its GPUs come from, and how many there are.
    pub(super) pool: Option<(Provider, usize)>,
    /// Accounts that hold, wait, or held something in the last 30 days; or why the history could not be read.
    pub(super) users: Result<usize, String>,
    /// Who has authority over it beside root, as shown.
    pub(super) owner: Option<String>,
    /// Of an embedded store: its directory and what lies there.
    pub(super) files: Option<(PathBuf, Files)>,
    pub(super) caller: Caller,
}

pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    match facts {
        Facts::None { why, hint } => vec![Finding::problem(Area::Store, why.clone(), hint.clone())],
        Facts::Chosen { url, why, state } => {
            let which = match why {
                Why::Named(origin) => format!("{url}, named by {}", shown(origin)),
                Why::Machine => format!("{url}, this machine's, as nobody named another"),
            };
            let mut found = vec![Finding::ok(Area::Store, which)];
            found.extend(of_state(state, why));
            found
        }
    }
}

fn shown(origin: &Origin) -> String {
    match origin {
        Origin::Flag => "the command line".to_owned(),
        other => other.to_string(),
    }
}

fn of_state(state: &State, why: &Why) -> Vec<Finding> {
    match state {
        State::Absent { obstacle: None } => {
            vec![Finding::ok(Area::Store, "not there yet: its first use makes it")]
        }
        State::Absent { obstacle: Some((directory, obstacle)) } => vec![Finding::problem(
            Area::Store,
            format!("not there, and it cannot be made: {obstacle}"),
            Some(
                Mend::run(format!("sudo install -d -m 0777 {}", word(directory)))
                    .and("or name another with --store"),
            ),
        )],
        State::Failed { message, hint } => {
            vec![Finding::problem(Area::Store, message.clone(), hint.clone())]
        }
        State::Open(open) => {
            let mut found = vec![Finding::ok(Area::Store, description(open))];
            if let Err(cause) = &open.users {
                let message = format!("its history cannot be read: {cause}");
                found.push(Finding::problem(Area::Store, message, None::<Mend>));
            }
            found.extend(
                open.files.iter().flat_map(|(directory, files)| of_files(directory, files, open.caller, why)),
            );
            found
        }
    }
}

fn description(open: &Open) -> String {
    let pool = match open.pool {
        None => "it answers, and has no pool yet: the first use makes it of this machine's GPUs".to_owned(),
        Some((Provider::Nvidia, 1)) => "it answers, with a pool of 1 GPU".to_owned(),
        Some((Provider::Nvidia, gpus)) => format!("it answers, with a pool of {gpus} GPUs"),
        Some((Provider::Fake, gpus)) => format!("it answers, with a pool of {gpus} simulated GPUs"),
    };
    let users = match open.users {
        Ok(1) => "; 1 account used it in the last 30 days".to_owned(),
        Ok(users) => format!("; {users} accounts used it in the last 30 days"),
        Err(_) => String::new(),
    };
    let owner = open.owner.as_ref().map(|owner| format!("; it belongs to {owner}")).unwrap_or_default();
    let directory = open.files.as_ref().and_then(|(_, files)| files.directory);
    let mode = directory.map(|found| format!(", mode {:04o}", found.mode)).unwrap_or_default();
    format!("{pool}{users}{owner}{mode}")
}

const EVERYBODY: u32 = 0o003;
const ITS_GROUP: u32 = 0o2030;

fn of_files(directory: &Path, files: &Files, caller: Caller, why: &Why) -> Vec<Finding> {
    let mut found = Vec::new();
    let Some(Rights { mode, owner }) = files.directory else { return found };
    let shown = directory.display();
    let sudo = match caller {
        Caller::MayChangeIt => "",
        Caller::Anybody => "sudo ",
    };
    let is_shared = mode & EVERYBODY == EVERYBODY || mode & ITS_GROUP == ITS_GROUP;
    if !is_shared {
        let message = format!("{shown} has mode {mode:04o}: others than uid {owner} cannot use it");
        found.push(shut(why, message, Mend::run(format!("{sudo}chmod 0777 {}", word(directory)))));
    }
    let expected = mode & 0o666;
    if let Some(database) = files.database
        && is_shared
        && database.mode & expected != expected
    {
        let mode = database.mode;
        let message = format!("{shown}/pool.db has mode {mode:04o}: not everybody can write there");
        let database = word(&directory.join("pool.db"));
        found.push(shut(why, message, Mend::run(format!("{sudo}chmod {expected:04o} {database}"))));
    }
    found
}

/// A store of one's own may be for oneself alone; the machine's is everybody's.
fn shut(why: &Why, message: String, mend: Mend) -> Finding {
    let is_machines = match why {
        Why::Machine => true,
        Why::Named(Origin::File { path, .. }) => path == Path::new(HOST_FILE),
        Why::Named(_) => false,
    };
    if is_machines {
        Finding::problem(Area::Store, message, Some(mend))
    } else {
        Finding::warning(Area::Store, message, mend)
    }
}

#[cfg(test)]
mod tests;
