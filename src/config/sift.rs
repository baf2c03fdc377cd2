//! What is good of a configuration with mistakes in it: for whoever has to tell them all and still find the store.

use std::slice::from_ref;

use super::error::ConfigError;
use super::resolve::{Layer, Layers};
use super::{Config, Sources};
use crate::cli::Globals;

/// As [`Config::load_what_is_good`].
pub(super) fn load(sources: &Sources, flags: &Globals) -> Result<(Config, Vec<ConfigError>), ConfigError> {
    let mut sieve = Sieve { mistakes: Vec::new() };
    let host = sieve.file(sources.host_layer(), |layer| Layers { host: Some(layer), ..nothing() });
    let user = sieve.file(sources.user_layer(), |layer| Layers { user: Some(layer), ..nothing() });
    let is_good = |one: &&_| sieve.is_good(&Layers { environment: from_ref(*one), ..nothing() });
    let environment: Vec<_> = sources.environment.iter().filter(is_good).cloned().collect();
    let layers = Layers { flags, host: host.as_ref(), environment: &environment, user: user.as_ref() };
    Ok((Config::from_layers(&layers)?, sieve.mistakes))
}

struct Sieve {
    mistakes: Vec<ConfigError>,
}

impl Sieve {
    fn file<'a>(
        &mut self,
        read: Result<Option<Layer>, ConfigError>,
        alone: impl for<'b> Fn(&'b Layer) -> Layers<'b>,
    ) -> Option<Layer> {
        match read {
            Ok(layer) => layer.filter(|layer| self.is_good(&alone(layer))),
            Err(mistake) => {
                self.mistakes.push(mistake);
                None
            }
        }
    }

    fn is_good(&mut self, alone: &Layers<'_>) -> bool {
        let read = Config::from_layers(alone);
        read.map_err(|mistake| self.mistakes.push(mistake)).is_ok()
    }
}

const NO_FLAGS: &Globals = &Globals {
    store: None,
    config: None,
    memory_threshold: None,
    redis_host: None,
    redis_port: None,
    redis_db: None,
    verbose: 0,
};

const fn nothing() -> Layers<'static> {
    Layers { flags: NO_FLAGS, host: None, environment: &[], user: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::sources::UserFile;

    #[test]
    fn every_mistake_is_told_and_the_rest_is_in_force() {
        let dir = tempfile::tempdir().unwrap();
        let (host, user) = (dir.path().join("host.toml"), dir.path().join("user.toml"));
        std::fs::write(&host, "store = 'sqlite:/host'\n").unwrap();
        std::fs::write(&user, "[run]\ntimout = '1h'\n").unwrap();
        let environment = vec![
            ("CANHAZGPU_RUN_GPUS".to_owned(), "many".into()),
            ("CANHAZGPU_RUN_NOTE".to_owned(), "mine".into()),
        ];
        let sources = Sources { host, user: Some(UserFile::Usual(user)), environment };
        let (config, mistakes) = load(&sources, NO_FLAGS).unwrap();
        let told: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].contains("user.toml, line 2") && told[0].contains("timout"), "{told:?}");
        assert!(told[1].contains("CANHAZGPU_RUN_GPUS"), "{told:?}");
        assert_eq!(config.store().map(|set| set.value).as_deref(), Some("sqlite:/host"));
        let note = config.in_force().into_iter().find(|set| set.key == "run.note").map(|set| set.value);
        assert_eq!(note.as_deref(), Some("mine"));
    }
}
