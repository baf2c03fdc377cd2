//! `chg doctor`: what was found and how to mend it, for people and for programs. Pure.

use serde::Serialize;

use super::grid::{Column, Room, grid};
use super::line::{Line, Tone};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    Ok,
    Warning,
    Problem,
}

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Area {
    Configuration,
    Store,
    Pools,
    Records,
    Driver,
    Devices,
    Processes,
    Shims,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    pub(crate) area: Area,
    pub(crate) level: Level,
    pub(crate) message: String,
    /// The command, or the person, that mends it.
    pub(crate) mend: Option<String>,
}

impl Finding {
    pub(crate) fn ok(area: Area, message: impl Into<String>) -> Self {
        Self { area, level: Level::Ok, message: message.into(), mend: None }
    }

    pub(crate) fn warning(area: Area, message: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { area, level: Level::Warning, message: message.into(), mend: Some(mend.into()) }
    }

    pub(crate) fn problem(area: Area, message: impl Into<String>, mend: Option<String>) -> Self {
        Self { area, level: Level::Problem, message: message.into(), mend }
    }
}

/// A value in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct SettingView {
    pub(crate) key: &'static str,
    pub(crate) value: String,
    pub(crate) origin: String,
}

/// Everything that `chg doctor` shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct DoctorView {
    status: Level,
    findings: Vec<Finding>,
    settings: Vec<SettingView>,
}

impl Level {
    const fn word(self) -> (Tone, &'static str) {
        match self {
            Self::Ok => (Tone::Good, "ok"),
            Self::Warning => (Tone::Warn, "warning"),
            Self::Problem => (Tone::Bad, "problem"),
        }
    }
}

impl Area {
    const fn word(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Store => "store",
            Self::Pools => "pools",
            Self::Records => "records",
            Self::Driver => "driver",
            Self::Devices => "devices",
            Self::Processes => "processes",
            Self::Shims => "shims",
        }
    }
}

impl DoctorView {
    pub(crate) fn new(findings: Vec<Finding>, settings: Vec<SettingView>) -> Self {
        let status = findings.iter().map(|finding| finding.level).max().unwrap_or(Level::Ok);
        Self { status, findings, settings }
    }

    /// The worst of all.
    pub(crate) const fn status(&self) -> Level {
        self.status
    }
}

/// Columns of the level and of the area, with the blanks behind them.
const LEVEL: usize = 9;
const MESSAGE: usize = LEVEL + 15;

/// A line for each finding, the settings in force, and the sum.
pub(crate) fn doctor(view: &DoctorView) -> Vec<Line> {
    let mut lines: Vec<Line> = view.findings.iter().flat_map(finding).collect();
    lines.push(Line::new());
    lines.extend(settings(&view.settings));
    lines.push(Line::new());
    lines.push(sum(view));
    lines
}

fn finding(finding: &Finding) -> Vec<Line> {
    let (tone, word) = finding.level.word();
    let mut line = Line::of(tone, word);
    line.pad_to(LEVEL);
    line.push(Tone::Dim, finding.area.word());
    line.pad_to(MESSAGE);
    line.push(Tone::Plain, &finding.message);
    let mend = finding.mend.as_ref().map(|mend| {
        let mut line = Line::new();
        line.pad_to(MESSAGE);
        line.with(Tone::Good, "mend").with(Tone::Plain, ": ").with(Tone::Plain, mend)
    });
    std::iter::once(line).chain(mend).collect()
}

fn settings(settings: &[SettingView]) -> Vec<Line> {
    let row = |setting: &SettingView| {
        vec![
            Line::from(setting.key),
            Line::from(setting.value.as_str()),
            Line::of(Tone::Dim, &setting.origin),
        ]
    };
    let columns = ["SETTING", "VALUE", "FROM"].map(Column::Left);
    grid(&columns, settings.iter().map(row).collect(), Room::Endless)
}

fn sum(view: &DoctorView) -> Line {
    let count = |level| view.findings.iter().filter(|finding| finding.level == level).count();
    let (problems, warnings) = (count(Level::Problem), count(Level::Warning));
    let (tone, _) = view.status.word();
    let text = match (problems, warnings) {
        (0, 0) => "all is well".to_owned(),
        (0, warnings) => counted(warnings, "warning"),
        (problems, 0) => counted(problems, "problem"),
        (problems, warnings) => format!("{}, {}", counted(problems, "problem"), counted(warnings, "warning")),
    };
    Line::of(tone, &text)
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(level: Level, message: &str, mend: Option<&str>) -> Finding {
        let (message, mend) = (message.to_owned(), mend.map(str::to_owned));
        Finding { area: Area::Store, level, message, mend }
    }

    fn shown(findings: Vec<Finding>) -> Vec<String> {
        let settings = vec![SettingView { key: "run.gpus", value: "1".into(), origin: "default".into() }];
        doctor(&DoctorView::new(findings, settings)).iter().map(Line::plain).collect()
    }

    #[test]
    fn each_finding_has_its_line_and_its_mending_below() {
        let findings =
            vec![one(Level::Ok, "open", None), one(Level::Problem, "a\x1bb", Some("'chg status' clears it"))];
        let expected = [
            "ok       store          open",
            "problem  store          a\\u{1b}b",
            "                        mend: 'chg status' clears it",
            "",
            "SETTING   VALUE  FROM",
            "run.gpus  1      default",
            "",
            "1 problem",
        ];
        assert_eq!(shown(findings), expected);
    }

    #[test]
    fn the_sum_counts_what_is_not_well() {
        let last = |levels: &[Level]| {
            let findings = levels.iter().map(|level| one(*level, "x", None)).collect();
            shown(findings).pop().unwrap_or_default()
        };
        assert_eq!(last(&[Level::Ok]), "all is well");
        assert_eq!(last(&[Level::Ok, Level::Warning]), "1 warning");
        assert_eq!(last(&[Level::Problem, Level::Warning, Level::Problem]), "2 problems, 1 warning");
    }

    #[test]
    fn programs_get_the_worst_level_and_every_finding() {
        let view = DoctorView::new(vec![one(Level::Warning, "x", Some("y"))], Vec::new());
        let json = serde_json::to_value(&view).unwrap();
        let expected = serde_json::json!({
            "status": "warning",
            "findings": [{"area": "store", "level": "warning", "message": "x", "mend": "y"}],
            "settings": [],
        });
        assert_eq!(json, expected);
    }
}
