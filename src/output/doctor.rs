//! `chg doctor`: what was found and how to mend it, for people and for programs. Pure.

use std::fmt;

use serde::{Serialize, Serializer};

use super::escape::wrapped;
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
    #[serde(flatten, serialize_with = "with_its_command")]
    pub(crate) mend: Option<Mend>,
}

/// What mends it: a command to type as it stands, or words where none does it, or both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mend {
    pub(crate) command: Option<String>,
    advice: Option<String>,
}

impl Mend {
    pub(crate) fn run(command: impl Into<String>) -> Self {
        Self { command: Some(command.into()), advice: None }
    }

    /// What to know of the command, or to do beside it.
    pub(crate) fn and(self, advice: impl Into<String>) -> Self {
        Self { advice: Some(advice.into()), ..self }
    }
}

/// Words alone.
impl From<&str> for Mend {
    fn from(advice: &str) -> Self {
        Self::from(advice.to_owned())
    }
}

impl From<String> for Mend {
    fn from(advice: String) -> Self {
        Self { command: None, advice: Some(advice) }
    }
}

/// In one line, which a shell takes as it stands where there is a command.
impl fmt::Display for Mend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.command, &self.advice) {
            (Some(command), Some(advice)) => write!(f, "{command}  # {advice}"),
            (Some(text), None) | (None, Some(text)) => f.write_str(text),
            (None, None) => Ok(()),
        }
    }
}

/// As `mend`, the whole line, and `command`, the command alone.
fn with_its_command<S: Serializer>(mend: &Option<Mend>, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Fields<'a> {
        mend: Option<String>,
        command: Option<&'a str>,
    }
    let command = mend.as_ref().and_then(|mend| mend.command.as_deref());
    Fields { mend: mend.as_ref().map(ToString::to_string), command }.serialize(serializer)
}

impl Finding {
    pub(crate) fn ok(area: Area, message: impl Into<String>) -> Self {
        Self { area, level: Level::Ok, message: message.into(), mend: None }
    }

    pub(crate) fn warning(area: Area, message: impl Into<String>, mend: impl Into<Mend>) -> Self {
        Self { area, level: Level::Warning, message: message.into(), mend: Some(mend.into()) }
    }

    pub(crate) fn problem(area: Area, message: impl Into<String>, mend: Option<impl Into<Mend>>) -> Self {
        Self { area, level: Level::Problem, message: message.into(), mend: mend.map(Into::into) }
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

/// The narrowest that a message is broken to.
const LEAST: usize = 30;

/// A line for each finding, the settings in force, and the sum. In a room of so many columns, messages are broken between
/// words; what is to be typed is not.
pub(crate) fn doctor(view: &DoctorView, room: Room) -> Vec<Line> {
    let columns = match room {
        Room::Endless => usize::MAX,
        Room::Cut(columns) | Room::CutOrBelow(columns) => columns.saturating_sub(MESSAGE).max(LEAST),
    };
    let mut lines: Vec<Line> = view.findings.iter().flat_map(|one| finding(one, columns)).collect();
    lines.push(Line::new());
    lines.extend(settings(&view.settings));
    lines.push(Line::new());
    lines.push(sum(view));
    lines
}

fn finding(finding: &Finding, columns: usize) -> Vec<Line> {
    let (tone, word) = finding.level.word();
    let mut line = Line::of(tone, word);
    line.pad_to(LEVEL);
    line.push(Tone::Dim, finding.area.word());
    let message = wrapped(&finding.message, columns).into_iter().enumerate().map(|(number, part)| {
        let mut line = if number == 0 { std::mem::take(&mut line) } else { Line::new() };
        line.pad_to(MESSAGE);
        line.with(Tone::Plain, &part)
    });
    let message: Vec<Line> = message.collect();
    message.into_iter().chain(finding.mend.iter().flat_map(|mend| mending(mend, columns))).collect()
}

/// A command stays in one line, so that it can be copied; words are broken.
fn mending(mend: &Mend, columns: usize) -> Vec<Line> {
    const WORD: &str = "mend: ";
    let mut first = Line::new();
    first.pad_to(MESSAGE);
    let mut first = first.with(Tone::Good, "mend").with(Tone::Plain, ": ");
    let Some(command) = &mend.command else {
        let words = wrapped(&mend.to_string(), columns.saturating_sub(WORD.len()));
        return words
            .into_iter()
            .map(|part| {
                let mut line = std::mem::take(&mut first);
                line.pad_to(MESSAGE + WORD.len());
                line.with(Tone::Plain, &part)
            })
            .collect();
    };
    first.push(Tone::Strong, command);
    if let Some(advice) = &mend.advice {
        first.push(Tone::Dim, &format!("  # {advice}"));
    }
    vec![first]
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
        let (message, mend) = (message.to_owned(), mend.map(Mend::from));
        Finding { area: Area::Store, level, message, mend }
    }

    fn shown(findings: Vec<Finding>) -> Vec<String> {
        let settings = vec![SettingView { key: "run.gpus", value: "1".into(), origin: "default".into() }];
        doctor(&DoctorView::new(findings, settings), Room::Endless).iter().map(Line::plain).collect()
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
    fn a_narrow_terminal_breaks_messages_and_leaves_commands_whole() {
        let mend = Mend::run("chg admin --release 0123456789abcdef").and("as an admin");
        let finding =
            Finding::warning(Area::Records, "a message of several words that is too long for it", mend);
        let lines = doctor(&DoctorView::new(vec![finding], Vec::new()), Room::CutOrBelow(60));
        let text: Vec<String> = lines.iter().map(Line::plain).collect();
        let blank = format!("{:MESSAGE$}", "");
        assert_eq!(text[0], "warning  records        a message of several words that is");
        assert_eq!(text[1], format!("{blank}too long for it"));
        assert_eq!(text[2], format!("{blank}mend: chg admin --release 0123456789abcdef  # as an admin"));
        let words = "words that are too long for one line";
        let finding = Finding::warning(Area::Records, "short", words);
        let lines = doctor(&DoctorView::new(vec![finding], Vec::new()), Room::CutOrBelow(60));
        assert_eq!(lines[1].plain(), format!("{blank}mend: words that are too long for"));
        assert_eq!(lines[2].plain(), format!("{blank}      one line"));
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
            "findings": [{"area": "store", "level": "warning", "message": "x", "mend": "y", "command": null}],
            "settings": [],
        });
        assert_eq!(json, expected);
    }

    #[test]
    fn a_command_stands_alone_and_a_shell_takes_the_line_as_it_is() {
        let mend = || Mend::run("chg status").and("it clears away");
        let finding = Finding::warning(Area::Records, "over", mend());
        let json = serde_json::to_value(&finding).unwrap();
        assert_eq!(json["mend"], "chg status  # it clears away");
        assert_eq!(json["command"], "chg status");
        assert_eq!(
            serde_json::to_value(Finding::ok(Area::Store, "x")).unwrap()["mend"],
            serde_json::Value::Null
        );
        let shown = shown(vec![finding]);
        assert_eq!(shown[1], format!("{:MESSAGE$}mend: chg status  # it clears away", ""));
    }
}
