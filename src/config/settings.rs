//! Every setting: its key, what it takes, whose it is and its default. Pure.

use super::datum::Kind;

/// Whose word counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// Environment, then the user's file, then the host's.
    User,
    /// The host's file, then environment and the user's file: what everybody must agree on.
    Host,
    /// The host's file alone: rights and limits.
    HostAlone,
}

/// One setting.
#[derive(Debug)]
pub(super) struct Setting {
    /// As `[section] name` in a file, joined by a dot.
    pub(super) key: &'static str,
    pub(super) kind: Kind,
    pub(super) scope: Scope,
    pub(super) default: Option<&'static str>,
}

impl Setting {
    pub(super) fn named(key: &str) -> Option<&'static Self> {
        SETTINGS.iter().find(|setting| setting.key == key)
    }

    /// Empty for the keys above every section.
    fn section(&self) -> &'static str {
        self.key.split_once('.').map_or("", |(section, _)| section)
    }

    fn name(&self) -> &'static str {
        self.key.split_once('.').map_or(self.key, |(_, name)| name)
    }

    /// The variable that sets it.
    pub(super) fn variable(&self) -> String {
        format!("CANHAZGPU_{}", self.key.replace('.', "_").to_ascii_uppercase())
    }
}

/// The keys allowed beside `key`, for an error: those of its section, or the top ones and the sections.
pub(super) fn allowed_beside(key: &str) -> String {
    let section = key.split_once('.').map(|(section, _)| section).filter(|section| is_section(section));
    let mut allowed: Vec<String> = Vec::new();
    for setting in SETTINGS {
        let entry = match (section, setting.key.split_once('.')) {
            (Some(wanted), Some((section, name))) if wanted == section => name.to_owned(),
            (None, Some((section, _))) => format!("[{section}]"),
            (None, None) => setting.key.to_owned(),
            _ => continue,
        };
        if !allowed.contains(&entry) {
            allowed.push(entry);
        }
    }
    let place = section.map_or_else(String::new, |section| format!(" in [{section}]"));
    format!("allowed{place}: {}", allowed.join(", "))
}

/// What a key that is none was probably meant to be, as a file has it.
pub(super) fn meant(key: &str) -> Option<String> {
    let (section, name) = key.split_once('.').unwrap_or(("", key));
    let beside = |setting: &&Setting| setting.section() == section;
    let alike = |word: &str| strsim::jaro(word, name);
    let nearest = SETTINGS.iter().filter(beside).max_by(|a, b| alike(a.name()).total_cmp(&alike(b.name())));
    if let Some(setting) = nearest.filter(|setting| is_alike(alike(setting.name()))) {
        return Some(format!("'{}'", setting.name()));
    }
    let elsewhere = SETTINGS.iter().find(|setting| setting.name() == name);
    let place = |setting: &Setting| match setting.section() {
        "" => format!("'{name}', above every section"),
        section => format!("'{name}' in [{section}]"),
    };
    let sections = SETTINGS.iter().map(Setting::section).filter(|_| section.is_empty());
    let misspelt =
        || sections.max_by(|a, b| alike(a).total_cmp(&alike(b))).filter(|word| is_alike(alike(word)));
    elsewhere.map(place).or_else(|| misspelt().map(|word| format!("[{word}]")))
}

/// The variable of a setting that a name was probably meant to be.
pub(super) fn meant_variable(name: &str) -> Option<String> {
    let alike = |setting: &Setting| strsim::jaro(&setting.variable(), name);
    let nearest = SETTINGS.iter().max_by(|a, b| alike(a).total_cmp(&alike(b)))?;
    // All of them begin alike.
    (alike(nearest) > 0.9).then(|| nearest.variable())
}

/// As clap judges the words of a command line.
fn is_alike(likeness: f64) -> bool {
    likeness > 0.7
}

pub(super) fn is_section(name: &str) -> bool {
    SETTINGS.iter().any(|setting| setting.key.split_once('.').is_some_and(|(section, _)| section == name))
}

const fn set(key: &'static str, kind: Kind, scope: Scope, default: Option<&'static str>) -> Setting {
    Setting { key, kind, scope, default }
}

const fn user(key: &'static str, kind: Kind) -> Setting {
    set(key, kind, Scope::User, None)
}

const fn host(key: &'static str, kind: Kind) -> Setting {
    set(key, kind, Scope::Host, None)
}

const fn host_alone(key: &'static str, kind: Kind) -> Setting {
    set(key, kind, Scope::HostAlone, None)
}

impl Setting {
    const fn or(self, default: &'static str) -> Self {
        Self { default: Some(default), ..self }
    }
}

/// All of them, in the order in which `doctor` shows them.
pub(super) const SETTINGS: &[Setting] = &[
    host("store", Kind::Text),
    host("provider", Kind::Provider),
    host("memory_threshold", Kind::Megabytes).or("1024"),
    user("nvml_lib", Kind::Text),
    host_alone("admins", Kind::Accounts),
    host("redis.host", Kind::Text),
    host("redis.port", Kind::Port),
    host("redis.db", Kind::Database),
    host("redis.prefix", Kind::Text),
    host("redis.password_file", Kind::Path),
    user("scan.deadline", Kind::Span).or("5s"),
    user("cuda.ids", Kind::CudaIds).or("index"),
    host_alone("policy.max_duration", Kind::Span),
    host_alone("policy.max_gpus_per_user", Kind::Count),
    host_alone("policy.default_timeout", Kind::Span),
    user("run.gpus", Kind::Count).or("1"),
    user("run.gpu_ids", Kind::Ids),
    user("run.timeout", Kind::Span),
    user("run.note", Kind::Text),
    user("run.user", Kind::Text),
    user("run.nonblock", Kind::Flag),
    user("run.wait", Kind::Span),
    user("run.conflict_exit_code", Kind::Status).or("75"),
    user("run.grace", Kind::Span),
    user("run.orphans", Kind::Orphans).or("auto"),
    user("run.on_lost", Kind::OnLost).or("warn"),
    user("run.new", Kind::Flag),
    user("run.quiet", Kind::Flag),
    user("reserve.gpus", Kind::Count).or("1"),
    user("reserve.gpu_ids", Kind::Ids),
    user("reserve.duration", Kind::Span).or("8h"),
    user("reserve.note", Kind::Text),
    user("reserve.user", Kind::Text),
    user("reserve.nonblock", Kind::Flag),
    user("reserve.wait", Kind::Span),
    user("reserve.conflict_exit_code", Kind::Status).or("75"),
    user("reserve.force", Kind::Flag),
    user("reserve.until_exit", Kind::Flag),
    user("reserve.short", Kind::Flag),
    user("reserve.export", Kind::Flag),
    user("reserve.json", Kind::Flag),
    user("release.user", Kind::Text),
    user("release.force", Kind::Flag),
    user("extend.user", Kind::Text),
    user("extend.duration", Kind::Span),
    user("status.output", Kind::Layout).or("lines"),
    user("status.json", Kind::Flag),
    user("status.summary", Kind::Flag),
    user("status.watch", Kind::Interval),
    user("status.no_color", Kind::Flag),
    user("queue.json", Kind::Flag),
    user("report.days", Kind::Count).or("30"),
    user("report.json", Kind::Flag),
    user("doctor.json", Kind::Flag),
    user("shim.dir", Kind::Path),
];
