//! Layers against each other, and mistakes in each.

use std::ffi::OsString;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use super::resolve::Layer;
use super::sources::UserFile;
use super::store::without_password;
use super::*;
use crate::cli::{ExtendArgs, GpuArgs, GpuIds, OnLost, Orphans, ReserveArgs, RunArgs, StatusArgs};
use crate::model::ids::{GpuIndex, Uid};
use crate::model::request::{Demand, OnBusy};

mod mistakes;
mod table;

/// A host, an environment and a user, to be asked for a configuration.
#[derive(Default)]
struct Scene {
    flags: Globals,
    host: Option<Layer>,
    environment: Vec<(String, OsString)>,
    user: Option<Layer>,
}

impl Scene {
    fn host(mut self, text: &str) -> Self {
        self.host = Some(Layer { path: PathBuf::from("/etc/canhazgpu/config.toml"), text: text.to_owned() });
        self
    }

    fn user(mut self, text: &str) -> Self {
        self.user = Some(Layer { path: PathBuf::from("/home/a/config.toml"), text: text.to_owned() });
        self
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    fn flags(mut self, flags: Globals) -> Self {
        self.flags = flags;
        self
    }

    fn try_load(&self) -> Result<Config, ConfigError> {
        let Self { flags, host, environment, user } = self;
        Config::from_layers(&Layers { flags, host: host.as_ref(), environment, user: user.as_ref() })
    }

    fn load(&self) -> Config {
        self.try_load().expect("a good configuration")
    }

    fn refused(&self) -> String {
        self.try_load().expect_err("a bad configuration").to_string()
    }
}

fn hours(count: u64) -> Duration {
    Duration::from_secs(count * 3600)
}

fn number(n: u32) -> NonZeroU32 {
    NonZeroU32::new(n).expect("not zero")
}

#[test]
fn without_any_layer_the_defaults_hold() {
    let config = Scene::default().load();
    assert_eq!(config.store(), None);
    assert_eq!(config.memory_threshold(), Megabytes(1024));
    assert_eq!(config.scan_deadline(), Duration::from_secs(5));
    assert_eq!(config.cuda_ids(), CudaIds::Index);
    assert_eq!((config.admins(), config.policy()), (vec![], Policy::default()));
    assert_eq!((config.provider(), config.redis_prefix(), config.shim_dir()), (None, None, None));
    let run = config.run(&RunArgs::default()).expect("options");
    assert_eq!(run.demand, Demand::Count(number(1)));
    assert_eq!((run.on_busy, run.busy_status), (OnBusy::Queue { at_most: None }, 75));
    assert_eq!((run.timeout, run.grace), (None, None));
    assert_eq!((run.orphans, run.on_lost), (Orphans::Auto, OnLost::Warn));
    assert_eq!((run.nesting, run.talk), (Nesting::Inside, Talk::Usual));
    let reserve = config.reserve(&ReserveArgs::default()).expect("options");
    assert_eq!((reserve.lasts, reserve.form), (hours(8), ReserveForm::Sentence));
    assert_eq!(config.report(&crate::cli::ReportArgs::default()).days, number(30));
    assert_eq!(config.status(&StatusArgs::default()).form, StatusForm::Lines);
}

#[test]
fn a_personal_default_goes_flag_environment_user_host() {
    let mut scene = Scene::default().host("[run]\ntimeout = '1h'\n");
    let timeout = |scene: &Scene, typed| {
        scene.load().run(&RunArgs { timeout: typed, ..RunArgs::default() }).expect("options").timeout
    };
    assert_eq!(timeout(&scene, None), Some(hours(1)));
    scene = scene.user("[run]\ntimeout = '2h'\n");
    assert_eq!(timeout(&scene, None), Some(hours(2)));
    scene = scene.variable("CANHAZGPU_RUN_TIMEOUT", "3h");
    assert_eq!(timeout(&scene, None), Some(hours(3)));
    assert_eq!(timeout(&scene, Some(hours(4))), Some(hours(4)));
}

#[test]
fn what_concerns_everybody_goes_flag_host_environment_user() {
    let mut scene = Scene::default().user("store = 'sqlite:/user'\nmemory_threshold = 3\n");
    let store = |scene: &Scene| scene.load().store().map(|set| set.value);
    assert_eq!(store(&scene).as_deref(), Some("sqlite:/user"));
    scene = scene.variable("CANHAZGPU_STORE", "sqlite:/env").variable("CANHAZGPU_MEMORY_THRESHOLD", "2");
    assert_eq!(store(&scene).as_deref(), Some("sqlite:/env"));
    assert_eq!(scene.load().memory_threshold(), Megabytes(2));
    scene = scene.host("store = 'sqlite:/host'\nmemory_threshold = 1\n");
    assert_eq!(store(&scene).as_deref(), Some("sqlite:/host"));
    assert_eq!(scene.load().memory_threshold(), Megabytes(1));
    let flags = Globals { store: Some("sqlite:/flag".into()), ..Globals::default() };
    assert_eq!(store(&scene.flags(flags)).as_deref(), Some("sqlite:/flag"));
}

#[test]
fn each_value_knows_where_it_came_from() {
    let scene = Scene::default()
        .host("# ours\n\nstore = \"sqlite:/var/lib/canhazgpu\"\n")
        .variable("CANHAZGPU_CUDA_IDS", "uuid")
        .user("[scan]\ndeadline = '2s'\n");
    let shown: Vec<String> = scene
        .load()
        .in_force()
        .iter()
        .filter(|set| ["store", "cuda.ids", "scan.deadline", "reserve.duration"].contains(&set.key))
        .map(|set| format!("{} = {} ({})", set.key, set.value, set.origin))
        .collect();
    assert_eq!(
        shown,
        [
            "store = sqlite:/var/lib/canhazgpu (/etc/canhazgpu/config.toml, line 3)",
            "scan.deadline = 2s (/home/a/config.toml, line 2)",
            "cuda.ids = uuid (CANHAZGPU_CUDA_IDS)",
            "reserve.duration = 8h (default)",
        ]
    );
}

#[test]
fn the_parts_of_a_redis_address_make_its_url() {
    let store = |scene: Scene| scene.load().store().map(|set| (set.value, set.origin.to_string()));
    let port = Globals { redis_port: Some(6380), ..Globals::default() };
    assert_eq!(
        store(Scene::default().flags(port.clone()).user("[redis]\nhost = 'h'\n")),
        Some(("redis://h:6380/0".into(), "command line".into()))
    );
    let scene = Scene::default().variable("CANHAZGPU_REDIS_HOST", "::1").variable("CANHAZGPU_REDIS_DB", "2");
    assert_eq!(store(scene), Some(("redis://[::1]:6379/2".into(), "CANHAZGPU_REDIS_HOST".into())));
    let scene = Scene::default().host("store = 'sqlite:/x'\n").variable("CANHAZGPU_REDIS_HOST", "h");
    assert_eq!(store(scene).map(|set| set.0).as_deref(), Some("sqlite:/x"), "the host's word goes first");
    let scene = Scene::default().user("store = 'sqlite:/x'\n").variable("CANHAZGPU_REDIS_DB", "1");
    assert_eq!(store(scene).map(|set| set.0).as_deref(), Some("redis://localhost:6379/1"));
    let scene = Scene::default().user("store = 'sqlite:/x'\n[redis]\nhost = 'h'\n");
    assert_eq!(store(scene).map(|set| set.0).as_deref(), Some("sqlite:/x"), "in one file the URL goes first");
    let scene = Scene::default().host("store = 'sqlite:/x'\n").flags(port);
    assert_eq!(store(scene).map(|set| set.0).as_deref(), Some("redis://localhost:6380/0"));
}

#[test]
fn rights_and_limits_are_the_hosts_alone() {
    for text in ["admins = ['me']\n", "[policy]\nmax_duration = '365d'\n"] {
        let message = Scene::default().user(text).refused();
        assert!(message.ends_with("is for the host to set, in /etc/canhazgpu/config.toml"), "{message}");
    }
    let message = Scene::default().variable("CANHAZGPU_ADMINS", "me").refused();
    assert!(message.starts_with("CANHAZGPU_ADMINS: admins is for the host"), "{message}");
    let config = Scene::default().host("admins = ['alice', 1001]\n").load();
    assert_eq!(config.admins(), [Account::Name("alice".into()), Account::Uid(Uid(1001))]);
}

#[test]
fn nothing_goes_before_the_policy() {
    let scene = Scene::default().host("[policy]\nmax_duration = '12h'\nmax_gpus_per_user = 2\n");
    let config = scene.load();
    let over = config.run(&RunArgs { timeout: Some(hours(13)), ..RunArgs::default() }).expect_err("too long");
    assert_eq!(
        over.to_string(),
        "13h is more than this host allows: 12h (/etc/canhazgpu/config.toml, line 2)"
    );
    let many = GpuArgs { gpus: None, gpu_ids: Some(GpuIds(vec![GpuIndex(0), GpuIndex(1), GpuIndex(2)])) };
    let over = config.reserve(&ReserveArgs { gpus: many, ..ReserveArgs::default() }).expect_err("too many");
    assert_eq!(
        over.to_string(),
        "3 GPUs is more than this host allows: 2 (/etc/canhazgpu/config.toml, line 3)"
    );
    let long = ExtendArgs { duration: Some(hours(13)), gpu_ids: None, user: None };
    assert!(config.extend(&long).is_err());
    assert_eq!(
        config.run(&RunArgs::default()).expect("options").timeout,
        Some(hours(12)),
        "no run outlasts it"
    );
}

#[test]
fn what_nobody_asked_for_is_cut_and_not_refused() {
    let config = Scene::default().host("[policy]\nmax_duration = '4h'\ndefault_timeout = '9h'\n").load();
    assert_eq!(config.run(&RunArgs::default()).expect("options").timeout, Some(hours(4)));
    assert_eq!(config.reserve(&ReserveArgs::default()).expect("options").lasts, hours(4));
    let host = || Scene::default().host("[policy]\ndefault_timeout = '9h'\n");
    for (scene, timeout) in [
        (host(), 9),
        (host().user("[run]\ntimeout = '20h'\n"), 9),
        (host().variable("CANHAZGPU_RUN_TIMEOUT", "20h"), 9),
        (host().user("[run]\ntimeout = '2h'\n"), 2),
    ] {
        let config = scene.load();
        let run = config.run(&RunArgs::default()).expect("options");
        assert_eq!((run.timeout, run.imposed_by.is_some()), (Some(hours(timeout)), timeout == 9));
        let typed = RunArgs { timeout: Some(hours(20)), ..RunArgs::default() };
        let run = config.run(&typed).expect("options");
        assert_eq!((run.timeout, run.imposed_by), (Some(hours(20)), None), "only a flag goes before");
    }
}

#[test]
fn extend_needs_a_duration_from_somewhere() {
    let none = ExtendArgs { duration: None, gpu_ids: None, user: None };
    let error = Scene::default().load().extend(&none).expect_err("no duration");
    assert!(error.is_usage() && error.hint().is_some(), "{error}");
    let config = Scene::default().user("[extend]\nduration = '2h'\n").load();
    assert_eq!(config.extend(&none).expect("options").lasts, hours(2));
}

#[test]
fn the_stronger_layer_decides_between_count_and_ids_and_between_refusing_and_waiting() {
    let config = Scene::default()
        .user("[run]\ngpu_ids = '0-1'\nnonblock = true\n")
        .variable("CANHAZGPU_RUN_WAIT", "1m")
        .load();
    let run = config.run(&RunArgs::default()).expect("options");
    assert_eq!(run.demand, Demand::Exactly(vec![GpuIndex(0), GpuIndex(1)]), "ids before the default count");
    assert_eq!(run.on_busy, OnBusy::Queue { at_most: Some(Duration::from_secs(60)) });
    let typed = RunArgs { gpus: GpuArgs { gpus: Some(number(3)), gpu_ids: None }, ..RunArgs::default() };
    assert_eq!(config.run(&typed).expect("options").demand, Demand::Count(number(3)));
    let config = Scene::default().user("[run]\ngpu_ids = '0-1'\nnonblock = true\nwait = '1h'\n").load();
    assert_eq!(config.run(&RunArgs::default()).expect("options").on_busy, OnBusy::Refuse);
    let config = Scene::default().host("[run]\ngpu_ids = '0-1'\n").user("[run]\ngpus = 2\n").load();
    assert_eq!(config.run(&RunArgs::default()).expect("options").demand, Demand::Count(number(2)));
}

#[test]
fn every_key_of_every_verb_has_its_effect() {
    let config = Scene::default()
        .user(
            "nvml_lib = '/n.so'\n[run]\ngpus = 2\nnote = 'n'\nuser = 'u'\nconflict_exit_code = 9\ngrace = '5s'\n\
             orphans = 'kill'\non-lost = 'terminate'\nnew = true\nquiet = true\n\
             [reserve]\nduration = '1h'\nforce = true\nuntil_exit = true\nexport = true\n\
             [release]\nuser = 'r'\nforce = true\n[extend]\nuser = 'e'\nduration = '1h'\n\
             [status]\noutput = 'table'\nno_color = true\n[queue]\njson = true\n[report]\ndays = 7\njson = true\n\
             [shim]\ndir = '/s'\n[redis]\nprefix = 'h1:'\npassword_file = '/p'\n",
        )
        .load();
    let run = config.run(&RunArgs::default()).expect("options");
    assert_eq!(
        (run.demand, run.note.as_deref(), run.label.as_deref()),
        (Demand::Count(number(2)), Some("n"), Some("u"))
    );
    assert_eq!((run.busy_status, run.grace), (9, Some(Duration::from_secs(5))));
    assert_eq!((run.orphans, run.on_lost), (Orphans::Kill, OnLost::Terminate));
    assert_eq!((run.nesting, run.talk), (Nesting::Anew, Talk::ErrorsOnly));
    let reserve = config.reserve(&ReserveArgs::default()).expect("options");
    assert_eq!((reserve.lasts, reserve.form), (hours(1), ReserveForm::Export));
    assert_eq!(reserve.in_use, crate::model::request::InUse::Adopt);
    assert_eq!(reserve.until_exit, crate::model::reservation::UntilExit::Yes);
    let release = config.release(&crate::cli::ReleaseArgs::default());
    assert_eq!((release.label.as_deref(), release.live_runs), (Some("r"), crate::model::verb::LiveRuns::End));
    let status = config.status(&StatusArgs::default());
    assert_eq!((status.form, status.colour), (StatusForm::Table, Colour::Never));
    let wanted = StatusArgs { json: true, ..StatusArgs::default() };
    assert_eq!(config.status(&wanted).form, StatusForm::Json);
    assert_eq!(config.queue(&crate::cli::QueueArgs::default()), Form::Json);
    let report = config.report(&crate::cli::ReportArgs::default());
    assert_eq!((report.days, report.form), (number(7), Form::Json));
    assert_eq!(config.shim_dir().map(|set| set.value), Some("/s".into()));
    assert_eq!(config.redis_prefix().map(|set| set.value).as_deref(), Some("h1:"));
    assert_eq!(config.redis_password_file().map(|set| set.value), Some("/p".into()));
    assert_eq!(config.nvml_lib().map(|set| set.value).as_deref(), Some("/n.so"));
}

#[test]
fn variables_that_are_no_settings_are_named() {
    let config = Scene::default()
        .variable("CANHAZGPU_RUN_TIMOUT", "1h")
        .variable("CANHAZGPU_RESERVATION", "x")
        .variable("CANHAZGPU_RUN_WAIT", "")
        .load();
    let meant = Some("CANHAZGPU_RUN_TIMEOUT".to_owned());
    assert_eq!(config.stray_variables(), [("CANHAZGPU_RUN_TIMOUT".to_owned(), meant)]);
    let odd = Scene::default().variable("CANHAZGPU_FROBNICATE", "1").load();
    assert_eq!(odd.stray_variables(), [("CANHAZGPU_FROBNICATE".to_owned(), None)]);
}

#[test]
fn no_password_is_shown() {
    for (url, shown) in [
        ("redis://user:se@c:ret@host:6379/0", "redis://user:***@host:6379/0"),
        ("redis://:secret@host", "redis://:***@host"),
        ("redis://user@host", "redis://user@host"),
        ("redis+unix:///run/r.sock?db=1&pass=secret", "redis+unix:///run/r.sock?db=1&pass=***"),
        ("sqlite:/var/lib/canhazgpu", "sqlite:/var/lib/canhazgpu"),
    ] {
        assert_eq!(without_password(url), shown);
        let config = Scene::default().variable("CANHAZGPU_STORE", url).load();
        assert!(config.in_force().iter().any(|set| set.key == "store" && set.value == shown), "{url}");
    }
}

#[test]
fn absent_files_are_no_failure_but_named_and_unreadable_ones_are() {
    let dir = tempfile::tempdir().expect("a directory");
    let sources = |user| Sources { host: dir.path().join("host.toml"), user, environment: vec![] };
    let flags = Globals::default();
    assert!(Config::load(&sources(None), &flags).is_ok());
    assert!(Config::load(&sources(Some(UserFile::Usual(dir.path().join("u.toml")))), &flags).is_ok());
    let named = Config::load(&sources(Some(UserFile::Named(dir.path().join("u.toml")))), &flags);
    assert!(matches!(named, Err(ConfigError::Unreadable { .. })), "{named:?}");
    std::fs::create_dir(dir.path().join("host.toml")).expect("a directory");
    let directory = Config::load(&sources(None), &flags);
    assert!(matches!(directory, Err(ConfigError::Unreadable { .. })), "{directory:?}");
}

#[test]
fn files_are_read_from_where_they_lie() {
    let dir = tempfile::tempdir().expect("a directory");
    let (host, user) = (dir.path().join("host.toml"), dir.path().join("user.toml"));
    std::fs::write(&host, "store = 'sqlite:/host'\n").expect("written");
    std::fs::write(&user, "[reserve]\nduration = '30m'\n").expect("written");
    let sources = Sources { host, user: Some(UserFile::Usual(user)), environment: vec![] };
    let config = Config::load(&sources, &Globals::default()).expect("a configuration");
    assert_eq!(config.store().map(|set| set.value).as_deref(), Some("sqlite:/host"));
    let lasts = config.reserve(&ReserveArgs::default()).expect("options").lasts;
    assert_eq!(lasts, Duration::from_secs(1800));
}

#[test]
fn the_manual_names_every_key() {
    let source = crate::cli::manual::page(Some("config")).expect("the page");
    for setting in settings::SETTINGS {
        let (section, name) = setting.key.split_once('.').unwrap_or(("", setting.key));
        let named = source.lines().filter(|line| line.contains("Va ")).any(|line| {
            line.replace(".It ", "")
                .replace(".Va ", "")
                .replace("Va ", "")
                .split([' ', ','])
                .any(|word| word == name)
        });
        assert!(named, "{}", setting.key);
        assert!(
            section.is_empty()
                || source.contains(&format!("[{section}]"))
                || source.contains(&format!("Bq {section}"))
        );
    }
}
