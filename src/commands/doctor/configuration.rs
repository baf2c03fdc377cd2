//! Which settings were read, and the mistakes in them. Pure.

use std::path::PathBuf;

use crate::output::{Area, Finding, Mend};

/// What was found out about the configuration.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// What is wrong, and what to do about it.
    pub(super) mistakes: Vec<(String, Option<String>)>,
    /// Variables named like settings that are none, and what each was probably meant to be.
    pub(super) strays: Vec<(String, Option<String>)>,
    /// The files that are there.
    pub(super) files: Vec<PathBuf>,
}

pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let mistakes = facts
        .mistakes
        .iter()
        .map(|(mistake, hint)| Finding::problem(Area::Configuration, mistake.clone(), hint.clone()));
    let strays = facts.strays.iter().map(|(name, meant)| {
        let advice = match meant {
            Some(meant) => format!("did you mean {meant}?"),
            None => "'man canhazgpu-config' names those that there are".to_owned(),
        };
        let mend = Mend::run(format!("unset {name}")).and(advice);
        Finding::warning(Area::Configuration, format!("{name} is set and is no setting"), mend)
    });
    let found: Vec<_> = mistakes.chain(strays).collect();
    if found.is_empty() { vec![Finding::ok(Area::Configuration, read(&facts.files))] } else { found }
}

fn read(files: &[PathBuf]) -> String {
    let files: Vec<_> = files.iter().map(|file| file.display().to_string()).collect();
    if files.is_empty() { "no file, which is fine".to_owned() } else { files.join(" and ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Level;

    #[test]
    fn a_mistake_is_a_problem_and_a_stray_variable_a_warning() {
        let facts = Facts {
            mistakes: vec![("config.toml, line 2: unknown key 'x'".into(), Some("see the manual".into()))],
            strays: vec![("CANHAZGPU_STOER".into(), Some("CANHAZGPU_STORE".into()))],
            files: vec!["/etc/canhazgpu/config.toml".into()],
        };
        let found = judge(&facts);
        assert_eq!(found.iter().map(|one| one.level).collect::<Vec<_>>(), [Level::Problem, Level::Warning]);
        assert_eq!(found[0].mend, Some(Mend::from("see the manual")));
        assert!(found[1].message.contains("CANHAZGPU_STOER"), "{found:?}");
        let mend = Mend::run("unset CANHAZGPU_STOER").and("did you mean CANHAZGPU_STORE?");
        assert_eq!(found[1].mend, Some(mend));
    }

    #[test]
    fn no_file_at_all_is_fine() {
        assert_eq!(judge(&Facts::default()), [Finding::ok(Area::Configuration, "no file, which is fine")]);
    }
}
