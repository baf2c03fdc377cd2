//! Every setting in every layer: whose word counts, and that every option of every verb has a setting.

use clap::{Command, CommandFactory};

use super::super::datum::Kind;
use super::super::settings::{SETTINGS, Scope, Setting};
use super::*;
use crate::cli::Cli;

/// A value that every layer can hold, as a file or a variable has it.
fn sample(setting: &Setting) -> &'static str {
    match setting.kind {
        Kind::Text => "sqlite:/x",
        Kind::Path => "/x",
        Kind::Flag => "true",
        Kind::Count | Kind::Status | Kind::Database | Kind::Megabytes => "3",
        Kind::Port => "6380",
        Kind::Span => "3h",
        Kind::Interval => "2",
        Kind::Ids => "0-2",
        Kind::Provider => "fake",
        Kind::Orphans => "kill",
        Kind::OnLost => "terminate",
        Kind::Layout => "table",
        Kind::CudaIds => "uuid",
        Kind::Accounts => "alice",
    }
}

/// `setting` in a file of its own; its value stands in line 2.
fn file(setting: &Setting) -> String {
    match setting.key.split_once('.') {
        Some((section, name)) => format!("[{section}]\n{name} = '{}'\n", sample(setting)),
        None => format!("# above every section\n{} = '{}'\n", setting.key, sample(setting)),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Where {
    Host,
    Environment,
    User,
}

use Where::{Environment, Host, User};

fn scene(setting: &Setting, layers: &[Where]) -> Scene {
    layers.iter().fold(Scene::default(), |scene, layer| match layer {
        Host => scene.host(&file(setting)),
        Environment => scene.variable(&setting.variable(), sample(setting)),
        User => scene.user(&file(setting)),
    })
}

fn place(setting: &Setting, layer: Where) -> String {
    match layer {
        Host => "/etc/canhazgpu/config.toml, line 2".to_owned(),
        Environment => setting.variable(),
        User => "/home/a/config.toml, line 2".to_owned(),
    }
}

fn origin(scene: &Scene, key: &str) -> Option<String> {
    let config = scene.load();
    config.in_force().into_iter().find(|set| set.key == key).map(|set| set.origin.to_string())
}

const TOGETHER: [&[Where]; 7] = [
    &[Host],
    &[Environment],
    &[User],
    &[Host, Environment],
    &[Host, User],
    &[Environment, User],
    &[Host, Environment, User],
];

#[test]
fn every_setting_in_every_layer() {
    for setting in SETTINGS {
        let key = setting.key;
        let usual = setting.default.map(|_| "default".to_owned());
        assert_eq!(origin(&Scene::default(), key), usual, "{key} by itself");
        for layers in TOGETHER {
            let scene = scene(setting, layers);
            let first: &[Where] = match setting.scope {
                Scope::User => &[Environment, User, Host],
                Scope::Host => &[Host, Environment, User],
                Scope::HostAlone => &[Host],
            };
            let stranger = layers.iter().find(|layer| !first.contains(layer));
            match stranger {
                Some(stranger) => {
                    let refused = scene.refused();
                    let expected = format!(
                        "{}: {key} is for the host to set, in /etc/canhazgpu/config.toml",
                        place(setting, *stranger)
                    );
                    assert_eq!(refused, expected, "{key} in {layers:?}");
                }
                None => {
                    let wins = first.iter().find(|layer| layers.contains(layer)).expect("one of them");
                    assert_eq!(origin(&scene, key), Some(place(setting, *wins)), "{key} in {layers:?}");
                }
            }
        }
    }
}

#[test]
fn a_flag_goes_before_every_layer_but_the_policy() {
    let flags = Globals {
        store: Some("sqlite:/flag".into()),
        memory_threshold: Some(Megabytes(9)),
        redis_host: Some("flag".into()),
        redis_port: Some(9),
        redis_db: Some(9),
        ..Globals::default()
    };
    for key in ["store", "memory_threshold", "redis.host", "redis.port", "redis.db"] {
        let setting = Setting::named(key).expect("a setting");
        let scene = scene(setting, &[Host, Environment, User]).flags(flags.clone());
        assert_eq!(origin(&scene, key).as_deref(), Some("command line"), "{key}");
    }
}

#[test]
fn a_bad_value_of_every_setting_names_its_place_and_key() {
    for setting in SETTINGS.iter().filter(|setting| !matches!(setting.kind, Kind::Text | Kind::Accounts)) {
        let bad = file(setting).replace(&format!("'{}'", sample(setting)), "'!'");
        let expected = format!("/etc/canhazgpu/config.toml, line 2: {}: '!' is ", setting.key);
        let message = Scene::default().host(&bad).refused();
        assert!(message.starts_with(&expected), "{message}");
        if setting.scope != Scope::HostAlone {
            let message = Scene::default().variable(&setting.variable(), "!").refused();
            let expected = format!("{}: {}: '!' is ", setting.variable(), setting.key);
            assert!(message.starts_with(&expected), "{message}");
        }
    }
}

/// Options that a default would make dangerous, or that are not here yet.
const WITHOUT: [&str; 4] = ["release.gpu_ids", "extend.gpu_ids", "status.all", "status.remote"];

#[test]
fn every_option_of_every_verb_has_a_setting() {
    let top = Cli::command();
    let mut seen = 0;
    for verb in ["run", "reserve", "release", "extend", "status", "queue", "report", "doctor"] {
        let command: &Command = top.find_subcommand(verb).expect("a verb");
        for long in command.get_arguments().filter_map(clap::Arg::get_long).filter(|long| *long != "help") {
            let key = format!("{verb}.{}", long.replace('-', "_"));
            assert_ne!(Setting::named(&key).is_some(), WITHOUT.contains(&key.as_str()), "{key}");
            seen += 1;
        }
    }
    assert!(seen > 35, "{seen}");
}
