//! `chg shim NAME -- ARGUMENTS`: runs the real program behind a shim on as many GPUs as its command line needs, or as
//! it is where it needs none. `files` puts shims in place.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::context::Context;
use super::launch::launch;
use super::nested::{self, become_program};
use super::nesting::{Count, Place};
use super::program::Program;
use super::run::{self, Ran, Run};
use super::{end, environment, failed, plain_out};
use crate::cli::{Globals, RunArgs, UsageError};
use crate::config::{Config, RunOptions, Sources};
use crate::error::{Error, Family};
use crate::exit::{BUSY, Exit};
use crate::model::ids::GpuIndex;
use crate::model::request::Demand;
use crate::shim::{self, Arguments, Judgement, World};

mod files;

pub(super) use files::{directory, obey};

/// The name of a command that, run without its shim, may put other GPUs in the place of the reserved ones.
pub(super) fn defiant(command: &[OsString]) -> Option<&str> {
    let (program, arguments) = command.split_first()?;
    let name = Path::new(program).file_name()?.to_str()?;
    if shim::obeys_variable(name) || shim::program(name) != name {
        return None;
    }
    let judged = shim::judge(name, arguments, &world())?;
    let is_rewritten = matches!(&judged.arguments, Arguments::Known(kept) if kept.as_slice() != arguments);
    // A host file or another machine's name: its launcher then goes by those.
    let is_unclear = matches!(name, "deepspeed" | "ds") && matches!(judged.needs, shim::Needs::Unclear(_));
    (is_rewritten || is_unclear).then_some(name)
}

/// What a judgement may look at.
fn world() -> World<'static> {
    World { variable: &|name| env::var(name).ok(), read: &read_file }
}

/// A pipe, as `<(…)` makes one, can be read once, and that is for the program to do.
fn read_file(path: &Path) -> Option<String> {
    let is_file = fs::metadata(path).is_ok_and(|found| found.is_file());
    is_file.then(|| fs::read_to_string(path).ok()).flatten()
}

/// What a shim was called for.
struct Call {
    /// The real program's name.
    name: String,
    path: PathBuf,
    hops: u32,
    /// The command line as it was typed, under the real program's name.
    typed: Vec<OsString>,
    judgement: Judgement,
}

/// As [`call`], where this program was started under the name of a shim, as the links that are installed do; `None` where
/// it was not.
pub(super) fn called_as(words: &[OsString]) -> Option<ExitCode> {
    let name = Path::new(words.first()?).file_name()?;
    shim::names().find(|known| name == *known)?;
    let typed: Vec<OsString> =
        [name.to_owned(), "--".into()].into_iter().chain(words[1..].iter().cloned()).collect();
    Some(call(&Globals::default(), &typed))
}

/// Does what the shim stands for; `words` are its name, `--`, and the arguments.
pub(super) fn call(globals: &Globals, words: &[OsString]) -> ExitCode {
    Call::of(words)
        .and_then(|call| call.answer(globals))
        .unwrap_or_else(|error| end(failed(&plain_out(), &error, Family::Run, Exit::Busy(BUSY))))
}

impl Call {
    fn of(words: &[OsString]) -> Result<Self, Error> {
        let name = words.first().map(|name| name.to_string_lossy()).unwrap_or_default();
        // After the name stands the `--`, which the command line was refused without.
        let arguments = words.get(2..).unwrap_or_default();
        let judgement = shim::judge(&name, arguments, &world()).ok_or_else(|| unknown(&name))?;
        let name = shim::program(&name).to_owned();
        let hops = shim::hops(&name, env::var(shim::HOPS).ok().as_deref())?;
        let own = env::current_exe().unwrap_or_default();
        let path = shim::find_real(&name, &env::var_os("PATH").unwrap_or_default(), &own)?;
        let typed = std::iter::once(OsString::from(&name)).chain(arguments.iter().cloned()).collect();
        Ok(Self { name, path, hops, typed, judgement })
    }

    fn answer(self, globals: &Globals) -> Result<ExitCode, Error> {
        let demand = match &self.judgement.needs {
            shim::Needs::Nothing => return Err(self.become_it()),
            shim::Needs::Unclear(why) if !self.may_be_inside() => return Err(self.unclear(why)),
            shim::Needs::Count(count) => Demand::Count(*count),
            shim::Needs::Exactly(ids) => Demand::Exactly(ids.clone()),
            // Which they are, is told by the pool.
            shim::Needs::AllFree | shim::Needs::AllBut(_) | shim::Needs::Unclear(_) => Demand::AllFree,
        };
        let config = Config::load(&Sources::of_process(globals.config.as_deref()), globals)?;
        let options = config.run_on(demand, &RunArgs::default());
        Ok(launch(&config, options, |ctx, options| self.run(ctx, options, &config)))
    }

    /// Returns only if it cannot.
    fn become_it(self) -> Error {
        let hops = [(shim::HOPS.to_owned(), self.hops.to_string())];
        become_program(&self.path, &self.typed, &environment::within(env::vars_os(), &hops))
    }

    fn run(self, mut ctx: Context<'_>, options: &RunOptions, config: &Config) -> Result<Ran, Error> {
        let what = self.what(options, config);
        match &self.judgement.needs {
            shim::Needs::Unclear(why) => match nested::place(&mut ctx, &what)? {
                Place::Inside { reservation, gpus } => {
                    nested::inside(ctx, &what, self.program(), &reservation, &gpus).map(Ran::Like)
                }
                Place::Outside | Place::Beyond { .. } => Err(self.unclear(why)),
            },
            shim::Needs::AllBut(ids) => {
                let place = nested::place(&mut ctx, &what)?;
                let demand = config.within_share(all_but(&mut ctx, place, ids)?)?;
                let options = RunOptions { demand, ..options.clone() };
                run::run(ctx, &self.what(&options, config), self.program())
            }
            _ => run::run(ctx, &what, self.program()),
        }
    }

    fn what<'a>(&'a self, options: &'a RunOptions, config: &Config) -> Run<'a> {
        let count = if self.is_rewritten() { Count::TakenOver } else { Count::Default };
        Run { command: &self.typed, options, count, cuda_ids: config.cuda_ids() }
    }

    fn program(&self) -> Program {
        Program::behind_shim(&self.name, self.path.clone(), self.judgement.arguments.clone(), self.hops)
    }

    /// Whether options of the program that pick GPUs were taken out: then nothing but the variable picks them.
    fn is_rewritten(&self) -> bool {
        match &self.judgement.arguments {
            Arguments::Known(arguments) => arguments.as_slice() != self.typed.get(1..).unwrap_or_default(),
            Arguments::Container(_) => true,
        }
    }

    /// Inside a reservation it does not matter how many GPUs a program would take, if it takes those that it is shown.
    fn may_be_inside(&self) -> bool {
        shim::obeys_variable(&self.name) && env::var_os(environment::RESERVATION).is_some()
    }

    fn unclear(&self, why: &str) -> Error {
        Error::Failed {
            message: format!("cannot tell how many GPUs '{}' needs: {why}", self.name),
            hint: Some(format!(
                "say it: {}=2 {} …, or 0 to run it without a reservation",
                shim::OVERRIDE,
                self.name
            )),
        }
    }
}

fn unknown(name: &str) -> Error {
    let names: Vec<_> = shim::names().collect();
    UsageError::new(format!("there is no shim '{name}'"))
        .with_hint(format!("there are {}; any other program runs as: chg -g 1 -- {name}", names.join(", ")))
        .into()
}

/// Every GPU of the reservation that we are in, or of the pool, but these.
fn all_but(ctx: &mut Context<'_>, place: Place, ids: &[GpuIndex]) -> Result<Demand, Error> {
    let all = match place {
        Place::Inside { gpus, .. } => gpus,
        Place::Beyond { reservation } => reservation.gpus,
        Place::Outside => {
            let snapshot = ctx.snapshot()?;
            ctx.eyes.scan(&snapshot.pool)?;
            ctx.pool_or_preview(&snapshot).slots.into_keys().collect()
        }
    };
    let left: Vec<_> = all.into_iter().filter(|gpu| !ids.contains(gpu)).collect();
    if left.is_empty() {
        return Err(Error::Failed { message: "what is left out leaves no GPU".into(), hint: None });
    }
    Ok(Demand::Exactly(left))
}
