//! `chg doctor`: looks at everything that the program stands on, judges it, and says how to mend what is wrong. Changes
//! nothing.

mod configuration;
mod devices;
mod driver;
mod look;
mod pools;
mod processes;
mod records;
mod shims;
mod store;

use std::path::Path;

use crate::config::{Config, ConfigError, Form, Origin, Sources, Value};
use crate::error::Error;
use crate::exit::Exit;
use crate::output::{self, DoctorView, Finding, Level, Out, SettingView};

/// Everything that was found out. What could not be asked is told by the area that failed.
#[derive(Debug)]
struct Facts {
    configuration: configuration::Facts,
    store: store::Facts,
    pools: pools::Facts,
    /// Absent where the store does not answer.
    records: Option<records::Facts>,
    driver: driver::Facts,
    devices: devices::Facts,
    processes: processes::Facts,
    shims: shims::Facts,
}

/// Shows what is well and what is not. `mistakes` are those of the configuration, whose rest is in force.
pub(crate) fn doctor(
    config: &Config,
    mistakes: &[ConfigError],
    sources: &Sources,
    form: Form,
    out: &Out,
) -> Result<Exit, Error> {
    let facts = look::around(config, mistakes, sources)?;
    let mut findings = judge(&facts);
    if let Some(Value { value: store, origin: Origin::Flag }) = config.store() {
        findings.iter_mut().for_each(|finding| stay_with(finding, &store));
    }
    let view = DoctorView::new(findings, settings(config));
    match form {
        Form::Json => out.print_json(&view)?,
        Form::Text => out.print(&output::doctor(&view, out.room()))?,
    };
    Ok(if view.status() == Level::Problem { Exit::Failed } else { Exit::Done })
}

/// Pure.
fn judge(facts: &Facts) -> Vec<Finding> {
    [
        driver::judge(&facts.driver),
        devices::judge(&facts.devices),
        processes::judge(&facts.processes),
        store::judge(&facts.store),
        pools::judge(&facts.pools),
        facts.records.as_ref().map(records::judge).unwrap_or_default(),
        shims::judge(&facts.shims),
        configuration::judge(&facts.configuration),
    ]
    .concat()
}

/// A command of ours that mends the store that was typed must name it too.
fn stay_with(finding: &mut Finding, store: &str) {
    let ours = finding.mend.as_mut().and_then(|mend| mend.command.as_mut());
    if let Some(command) = ours.filter(|command| command.starts_with("chg ")) {
        command.push_str(&format!(" --store {}", output::quoted(store)));
    }
}

/// A path in a command that is going to be typed as it stands.
fn word(path: &Path) -> String {
    output::quoted(&path.to_string_lossy())
}

fn settings(config: &Config) -> Vec<SettingView> {
    let shown = config.in_force().into_iter();
    shown.map(|set| SettingView { key: set.key, value: set.value, origin: set.origin.to_string() }).collect()
}
